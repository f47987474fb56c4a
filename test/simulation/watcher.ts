// Who watches a run from outside, and holds it against the promises (P1 to P10) after every step.
import { isReady } from '../../src/protocol/result-meta.ts';
import { isQuarantined, quarantineTimeoutMs } from '../../src/stores/quarantine.ts';
import { type Deed, type Store, taskOf } from './store.ts';
import type { Process, World } from './world.ts';

interface Sent {
  readonly eta: number | null;
  readonly kind: string;
  acknowledged: boolean;
}

interface Run {
  readonly name: string;
  readonly process: Process;
  readonly retries: number;
  ended: boolean;
}

interface Lease {
  readonly id: string;
  readonly owner: string;
  readonly epoch: number;
  readonly at: number;
  readonly isQuarantined: boolean;
}

const startsAgainMs = 20_000;

export class Watcher {
  readonly wrong: string[] = [];
  readonly #world: World;
  readonly #isOne: boolean;
  readonly #sent = new Map<string, Sent>();
  readonly #runs = new Map<string, Run[]>();
  /** Tag -> who holds it, as the watcher has seen it. */
  readonly #leases = new Map<number, Lease>();
  readonly #value = new Map<string, unknown>();
  readonly #recordedAt = new Map<string, number>();
  readonly #disturbed = new Map<Process, number>();
  /** Owner -> the end of its lease. */
  readonly #until = new Map<string, number>();
  /** Ids of what was taken from an owner whose lease had ended. */
  readonly #tookBack = new Set<string>();
  readonly #leaving = new Set<string>();
  /** `process id` -> when it was given to it last. */
  readonly #givenAt = new Map<string, number>();
  /** When a task came back. */
  readonly #returned = new Map<string, number>();
  #names = 0;

  constructor(world: World, isOne: boolean) {
    this.#world = world;
    this.#isOne = isOne;
  }

  get runs(): number {
    return this.#names;
  }

  complain(what: string): void {
    if (this.wrong.length < 20) this.wrong.push(`${this.#world.elapsed} ms: ${what}`);
  }

  disturbed(process: Process): void {
    this.#disturbed.set(process, this.#world.elapsed);
  }

  sending(id: string, eta: Date | null, kind: string): void {
    this.#sent.set(id, { eta: eta?.getTime() ?? null, kind, acknowledged: false });
  }

  acknowledged(id: string): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) sent.acknowledged = true;
  }

  began(process: Process, id: string, retries: number): string {
    const sent = this.#sent.get(id);
    const runs = this.#runs.get(id) ?? [];
    const run = { name: `run-${++this.#names}`, process, retries, ended: false };
    if (process.state === 'dead') return run.name; // what a dead process's code still does has no effect
    if (sent === undefined) this.complain(`P2: ${id} runs and was not sent`);
    else if (sent.eta !== null && this.#world.now < sent.eta)
      this.complain(`P7: ${id} begins ${sent.eta - this.#world.now} ms before its time`);
    const before = runs.at(-1);
    if (
      before !== undefined &&
      retries <= before.retries &&
      !this.#tookBack.has(id) &&
      !this.#maySendTwice(id) &&
      !this.#disturbed.has(before.process)
    )
      this.complain(`P3: ${id} begins again, and nothing happened to who ran it`);
    // One that stood still may go on with what it had claimed before. The record of what is rejected is not its end: its dead letter is.
    const recordedAt = this.#recordedAt.get(id) ?? Number.POSITIVE_INFINITY;
    if ((this.#givenAt.get(`${process.name} ${id}`) ?? 0) > recordedAt && sent?.kind !== 'rejects')
      this.complain(`P4: ${id} begins after its result was recorded`);
    const since = this.#returned.get(id);
    this.#returned.delete(id);
    if (since !== undefined && this.#world.elapsed - since > startsAgainMs)
      this.complain(`P5: ${id} began again after ${this.#world.elapsed - since} ms`);
    this.#runs.set(id, [...runs, run]);
    return run.name;
  }

  ended(id: string, name: string): void {
    const run = this.#runs.get(id)?.find((each) => each.name === name);
    if (run !== undefined && run.process.state !== 'dead') run.ended = true;
  }

  /** What the store says that it has done. */
  did(deed: Deed): void {
    switch (deed.kind) {
      case 'kept':
        return;
      case 'left':
        this.#leaving.add(deed.owner);
        return;
      case 'renewed':
        this.#until.set(deed.owner, deed.until);
        return;
      case 'given': {
        const held = this.#leases.get(deed.tag);
        if (held !== undefined)
          this.complain(`P3: ${deed.id} is given to ${deed.owner} while ${held.owner} holds it`);
        this.#givenAt.set(`${deed.owner.split('-')[0]} ${deed.id}`, this.#world.elapsed);
        this.#isAlone(deed);
        this.#leases.set(deed.tag, {
          ...deed,
          at: this.#world.elapsed,
          isQuarantined: isQuarantined(deed.crashes),
        });
        return;
      }
      case 'taken back': {
        const held = this.#leases.get(deed.tag);
        this.#leases.delete(deed.tag);
        if (held === undefined) return;
        if (!this.#leaving.has(held.owner) && (this.#until.get(held.owner) ?? 0) > this.#world.elapsed)
          this.complain(`P3: ${held.id} is taken from ${held.owner}, whose lease has not ended`);
        this.#tookBack.add(held.id);
        if (!this.#returned.has(held.id)) this.#returned.set(held.id, this.#world.elapsed);
        return;
      }
      case 'settled': {
        const held = this.#leases.get(deed.tag);
        if (held === undefined || held.epoch !== deed.epoch)
          this.complain(`P8: ${deed.id} is settled by who holds it no more`);
        this.#leases.delete(deed.tag);
        return;
      }
      case 'recorded': {
        const { id, record } = deed;
        if (!isReady(record.status)) return;
        const before = this.#recordedAt.has(id);
        if (before && record.status === 'SUCCESS' && this.#value.get(id) !== record.result)
          this.complain(`P8: the result of ${id} is overwritten`);
        if (record.status === 'SUCCESS') this.#value.set(id, record.result);
        if (record.status !== 'FAILURE' || this.#sent.get(id)?.kind !== 'poison')
          this.#recordedAt.set(id, this.#world.elapsed);
        const runs = this.#runs.get(id) ?? [];
        const ran = runs.find(({ name }) => name === record.result);
        if (record.status === 'SUCCESS' && !ran?.ended)
          this.complain(`P4: ${id} is recorded with what no run returned`);
      }
    }
  }

  /** A quarantined message is held beside nothing that was given when it waited already, and nothing is given beside it, for as long as patience lasts. */
  #isAlone({ id, owner, crashes }: Extract<Deed, { kind: 'given' }>): void {
    for (const other of this.#leases.values()) {
      if (other.owner !== owner || !(isQuarantined(crashes) || other.isQuarantined)) continue;
      if (isQuarantined(crashes) && other.isQuarantined)
        this.complain(`P10: ${id} and ${other.id} are both quarantined`);
      if (this.#world.elapsed - other.at < quarantineTimeoutMs)
        this.complain(`P10: ${id} is given to ${owner} beside ${other.id}, and one of them is quarantined`);
    }
  }

  /** After every step. */
  check(store: Store): void {
    const there = new Set([...store.messages.values()].map(({ publication }) => taskOf(publication)));
    for (const [id, sent] of this.#sent) {
      if (!sent.acknowledged || id.endsWith('-next')) continue;
      const ended = this.#recordedAt.has(id) || store.dead.has(id);
      if (ended || there.has(id)) continue;
      if (sent.kind === 'early') continue; // acknowledged before it runs, as it asked for
      this.complain(`P1: ${id} is nowhere`);
      sent.acknowledged = false; // said once
    }
    for (const message of store.messages.values())
      if (message.owner !== null && !store.owners.has(message.owner))
        this.complain(`P9: ${taskOf(message.publication)} is held by ${message.owner}, which is gone`);
  }

  isAtRest(store: Store): boolean {
    return store.messages.size === 0 && [...this.#sent.values()].every(({ acknowledged }) => acknowledged);
  }

  left(process: Process, store: Store): void {
    for (const message of store.messages.values())
      if (message.owner?.startsWith(`${process.name}-`))
        this.complain(`P9: ${taskOf(message.publication)} is held by ${process.name}, which has stopped`);
  }

  /** All is over. */
  conclude(store: Store): void {
    for (const message of store.messages.values())
      this.complain(
        `P5: ${taskOf(message.publication)} is still there: ${JSON.stringify({ ...message, publication: 0 })}`,
      );
    for (const [id, { kind, acknowledged }] of this.#sent) {
      if (!acknowledged) continue;
      const status = store.results.get(id)?.status ?? 'nothing';
      const reason = store.dead.get(id);
      const expected: Record<string, boolean> = {
        fails: status === 'FAILURE',
        rejects: reason === 'rejected',
        poison: reason === 'max-deliveries',
        early: true,
      };
      if (!(expected[kind] ?? status === 'SUCCESS'))
        this.complain(`P1: ${id} has come to ${status}, ${reason ?? 'no dead letter'}`);
      if (reason !== undefined && kind !== 'rejects' && kind !== 'poison')
        this.complain(`P6: ${id} is a dead letter: ${reason}`);
    }
  }

  /** With results in another store, what follows a task is sent before it is acknowledged; if it comes back it is sent again. */
  #maySendTwice(id: string): boolean {
    return !this.#isOne && id.endsWith('-next') && this.#disturbed.size + this.#tookBack.size > 0;
  }
}
