// The store that workers share, as a model: claims, leases, fences and results, each request one atomic step. Honest, or with one
// planted bug.
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { isReady } from '../../src/protocol/result-meta.ts';
import { isQuarantined, Quarantine } from '../../src/stores/quarantine.ts';
import type { DeadReason, Publication, Settlement } from '../../src/stores/transport.ts';
import type { World } from './world.ts';

export type Bug =
  | 'a late owner may settle'
  | 'a lease is never taken away'
  | 'a living owner is evicted'
  | 'a claim is answered anew when it is asked again'
  | 'two workers are given one message'
  | 'what is scheduled comes early'
  | 'what an owner leaves is forgotten'
  | 'what a dead owner held is forgotten'
  | 'a dead letter is dropped'
  | 'the result is written without the acknowledgement'
  | 'the acknowledgement is written without the result'
  | 'a retry is acknowledged and not sent'
  | 'a send is confirmed before it is kept'
  | 'a send that is repeated counts twice'
  | 'deaths are not counted'
  | 'a message that comes back does not say so'
  | 'a quarantined message is held beside others'
  | 'a result may be overwritten';

export interface Message {
  readonly tag: number;
  readonly publication: Publication;
  due: number;
  owner: string | null;
  /** Which claim of it this is. */
  epoch: number;
  redelivered: boolean;
  crashes: number;
  deferrals: number;
}

export interface Claimed extends Pick<Message, 'publication' | 'redelivered' | 'crashes' | 'deferrals'> {
  readonly tag: number;
  readonly epoch: number;
}

/** What the store has done, for those who watch it. */
export type Deed =
  | { readonly kind: 'kept'; readonly id: string }
  | { readonly kind: 'left'; readonly owner: string }
  | { readonly kind: 'renewed'; readonly owner: string; readonly until: number }
  | {
      readonly kind: 'given';
      readonly id: string;
      readonly tag: number;
      readonly epoch: number;
      readonly owner: string;
      readonly crashes: number;
    }
  | { readonly kind: 'taken back'; readonly tag: number; readonly epoch: number }
  | {
      readonly kind: 'settled';
      readonly id: string;
      readonly tag: number;
      readonly epoch: number;
      readonly how: Settlement['kind'];
    }
  | { readonly kind: 'recorded'; readonly id: string; readonly record: ResultRecord };

export class Store {
  readonly messages = new Map<number, Message>();
  readonly results = new Map<string, ResultRecord>();
  readonly dead = new Map<string, DeadReason>();
  /** Owner -> the end of its lease. */
  readonly owners = new Map<string, number>();
  readonly #world: World;
  readonly #bug: Bug | null;
  readonly #tell: (deed: Deed) => void;
  /** Results live with the messages: one step with the settlement. */
  readonly isOne: boolean;
  readonly #known = new Set<string>();
  readonly #answers = new Map<string, unknown>();
  readonly #quarantines = new Map<string, Quarantine>();
  #tags = 0;

  constructor(world: World, isOne: boolean, bug: Bug | null, tell: (deed: Deed) => void) {
    this.#world = world;
    this.isOne = isOne;
    this.#bug = bug;
    this.#tell = tell;
  }

  /** Does it once, however often it is asked: the answer to a request is kept. */
  once<T>(request: string, act: () => T): T {
    const careless =
      (this.#bug === 'a claim is answered anew when it is asked again' && request.includes(' claim ')) ||
      (this.#bug === 'a send that is repeated counts twice' && request.includes(' send '));
    if (!careless && this.#answers.has(request)) return this.#answers.get(request) as T; // put there below
    const answer = act();
    this.#answers.set(request, answer);
    return answer;
  }

  send(publications: readonly Publication[]): void {
    for (const publication of publications) {
      const { id, eta, once } = publication;
      if (once === true && this.#bug !== 'a send that is repeated counts twice') {
        if (this.#known.has(id)) continue;
        this.#known.add(id);
      }
      if (this.#bug === 'a send is confirmed before it is kept' && this.#world.oneIn(8)) {
        this.#tell({ kind: 'kept', id: taskOf(publication) });
        continue;
      }
      const haste = this.#bug === 'what is scheduled comes early' ? 400 : 0;
      const tag = ++this.#tags;
      const headers = publication.message.properties.deliveryInfo;
      const redelivered = Boolean((headers as { redelivered?: boolean } | undefined)?.redelivered);
      const due = eta === null ? 0 : eta.getTime() - haste;
      this.messages.set(tag, {
        tag,
        publication,
        due,
        owner: null,
        epoch: 0,
        redelivered,
        crashes: 0,
        deferrals: 0,
      });
      this.#tell({ kind: 'kept', id: taskOf(publication) });
    }
  }

  join(owner: string, leaseMs: number): void {
    this.#renew(owner, this.#world.elapsed + leaseMs);
  }

  claim(owner: string, count: number): readonly Claimed[] {
    if (!this.owners.has(owner)) return [];
    const given: Claimed[] = [];
    const { now } = this.#world;
    const quarantinedWaits = [...this.messages.values()].some(
      ({ owner: holder, due, crashes }) => holder === null && due <= now && isQuarantined(crashes),
    );
    const quarantine = this.#quarantineOf(owner);
    const may = quarantine.look(quarantinedWaits);
    const careless = this.#bug === 'a quarantined message is held beside others';
    for (const message of this.messages.values()) {
      if (given.length >= count) break;
      const shared = this.#bug === 'two workers are given one message' && this.#world.oneIn(6);
      if ((message.owner !== null && !shared) || message.due > now) continue;
      // What kills workers is parted from what only runs beside it.
      const isOne = isQuarantined(message.crashes);
      if (isOne ? !may.quarantined || quarantine.holdsQuarantined : !may.others) if (!careless) continue;
      quarantine.took(message.crashes);
      message.owner = owner;
      message.epoch++;
      const { tag, epoch, publication, crashes, deferrals } = message;
      const redelivered = message.redelivered && this.#bug !== 'a message that comes back does not say so';
      given.push({ tag, epoch, publication, redelivered, crashes, deferrals });
      this.#tell({ kind: 'given', id: taskOf(publication), tag, epoch, owner, crashes });
    }
    return given;
  }

  /** Renews, and takes from owners whose lease has run out. False: it was evicted itself. */
  maintain(owner: string, leaseMs: number): boolean {
    const { elapsed } = this.#world;
    for (const [each, until] of this.owners) {
      const living = this.#bug === 'a living owner is evicted' && this.#world.oneIn(20);
      if (until > elapsed && !living) continue;
      if (this.#bug === 'a lease is never taken away') continue;
      this.evict(each);
    }
    if (!this.owners.has(owner)) return false;
    this.#renew(owner, elapsed + leaseMs);
    return true;
  }

  evict(owner: string): void {
    this.owners.delete(owner);
    this.#quarantines.delete(owner);
    for (const message of this.messages.values()) {
      if (message.owner !== owner) continue;
      if (this.#bug !== 'deaths are not counted') message.crashes++;
      this.#takeBack(message);
      if (this.#bug === 'what a dead owner held is forgotten') this.messages.delete(message.tag);
    }
  }

  leave(owner: string): void {
    this.#tell({ kind: 'left', owner });
    this.owners.delete(owner);
    this.#quarantines.delete(owner);
    for (const message of this.messages.values()) {
      if (message.owner !== owner) continue;
      this.#takeBack(message);
      if (this.#bug === 'what an owner leaves is forgotten') this.messages.delete(message.tag);
    }
  }

  settle(
    owner: string,
    tag: number,
    epoch: number,
    settlement: Settlement,
    record: ResultRecord | null,
  ): 'settled' | 'fenced' {
    const message = this.messages.get(tag);
    const holds = message !== undefined && message.owner === owner && message.epoch === epoch;
    if (message === undefined || (!holds && this.#bug !== 'a late owner may settle')) return 'fenced';
    const id = taskOf(message.publication);
    this.#tell({ kind: 'settled', id, tag, epoch, how: settlement.kind });
    if (holds) this.#quarantineOf(owner).letGo(message.crashes);
    if (settlement.kind === 'release') {
      if (this.#bug === 'what an owner leaves is forgotten') this.messages.delete(tag);
      message.owner = null;
      message.redelivered = true;
      message.due = settlement.until?.getTime() ?? 0;
      if (settlement.deferred) message.deferrals++;
      if (settlement.crashed) message.crashes++;
      return 'settled';
    }
    if (record !== null && this.#bug !== 'the acknowledgement is written without the result')
      this.put(record);
    if (this.#bug === 'the result is written without the acknowledgement' && this.#world.oneIn(4))
      return 'settled';
    this.messages.delete(tag);
    if (settlement.kind === 'ack') {
      if (this.#bug !== 'a retry is acknowledged and not sent') this.send(settlement.publish ?? []);
    } else if (this.#bug !== 'a dead letter is dropped') this.dead.set(id, settlement.reason);
    return 'settled';
  }

  put(record: ResultRecord): void {
    const known = this.results.get(record.taskId);
    if (this.#bug !== 'a result may be overwritten') {
      if (known?.status === 'SUCCESS') return;
      if (known !== undefined && isReady(known.status) && !isReady(record.status)) return;
    }
    this.results.set(record.taskId, record);
    this.#tell({ kind: 'recorded', id: record.taskId, record });
  }

  #quarantineOf(owner: string): Quarantine {
    const known = this.#quarantines.get(owner) ?? new Quarantine({ monotonic: () => this.#world.elapsed });
    this.#quarantines.set(owner, known);
    return known;
  }

  #renew(owner: string, until: number): void {
    this.owners.set(owner, until);
    this.#tell({ kind: 'renewed', owner, until });
  }

  #takeBack(message: Message): void {
    this.#tell({ kind: 'taken back', tag: message.tag, epoch: message.epoch });
    message.owner = null;
    message.redelivered = true;
  }
}

/** What is sent to go on with a workflow has an id of its own, beside its task's. */
export function taskOf({ message }: Publication): string {
  return String(message.headers.id);
}
