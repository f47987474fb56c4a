// A worker's consumer on Redis: claims, waits for messages, and holds deliveries.
import joinLua from 'lua:./lua/join.lua';
import leaveLua from 'lua:./lua/leave.lua';
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BrokerUnavailable, StoreVersionError } from '../../errors.ts';
import { type Clock, longestTimerMs } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { Sleeper } from '../../lib/sleeper.ts';
import { parseTimestamp } from '../../protocol/timestamp.ts';
import { isQuarantined, Quarantine } from '../quarantine.ts';
import { storeVersion } from '../store-version.ts';
import type { ConsumeOptions, Consumer, Delivery, Publication, Settlement } from '../transport.ts';
import { BlockingReads } from './blocking-reads.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import { type ClaimedMessage, type ClaimMode, type ClaimRequest, CommandBatcher } from './command-batcher.ts';
import { HandoffFlags } from './handoff-flags.ts';
import { historyOf } from './history-write.ts';
import { Maintenance } from './maintenance.ts';
import { type AddressedMessage, QueueLists } from './queue-lists.ts';
import { maxReadMs } from './read-time.ts';
import { RedisDelivery } from './redis-delivery.ts';
import { luaScript } from './scripts.ts';
import { endedArgs, type SettlementRules, settlementArgs } from './settlement-args.ts';

interface RedisConsumerParts {
  /** The shared connection, for scripts. */
  readonly connection: RedisConnection;
  /** Opens another connection. */
  readonly connect: () => Promise<RedisConnection>;
  readonly clock: Clock;
  readonly steps: readonly number[];
  readonly options: ConsumeOptions;
  /** The lists that a publication goes to, and its bytes. */
  readonly address: (publication: Publication) => Promise<readonly AddressedMessage[]>;
  readonly onClose: () => void;
}

/** A claim whose answer has not come. */
interface Claim {
  /** How many messages it may bring; 0 until it goes out. */
  asked: number;
  readonly over: Promise<void>;
}

/** Troubles, described for people. */
interface Troubles {
  /** Why settlements wait. */
  readonly refusal: string | null;
  /** What cannot be kept in order. */
  readonly disorder: string | null;
}

const leaveTimeoutMs = 3000;
/** With fewer slots than this, a second claim for half of them does not pay. */
const manySlots = 16;
/** With more held messages than this, more settlements will follow in this turn of the event loop. */
const few = 4;
/** A blocking read that took longer found its list empty, milliseconds. */
const quietMs = 2;
/** How often a consumer that waits because of quarantined messages looks whether they are still there, milliseconds. */
const pollIntervalMs = 500;
/** The same while messages are about to be settled. */
const shortPollIntervalMs = 50;

export class RedisConsumer implements Consumer {
  readonly #parts: RedisConsumerParts;
  readonly #prefix: string;
  readonly #commands: CommandBatcher;
  readonly #maintenance: Maintenance;
  readonly #held = new Map<string, RedisDelivery>();
  readonly #closing = new AbortController();
  readonly #sleepers = new Set<Sleeper>();
  readonly #sources: QueueLists;
  readonly #reads: BlockingReads;
  readonly #rules: SettlementRules;
  readonly #unsubscribe: () => void;
  /** Messages that have come, and that no claim has returned yet. There is room for them. */
  #arrived: RedisDelivery[] = [];
  readonly #claims: Claim[] = [];
  /** The last claim brought all that it asked for. So there is more, and two claims take turns to keep the slots busy. */
  #plenty = false;
  /** Empty while the consumer is not registered. */
  #id = '';
  /** The id under which held messages lie, while the consumer changes to another id. */
  #former = '';
  /** The new id: kept until it is known to be registered, so that the call may be repeated. */
  #next = '';
  #joining: Promise<void> | null = null;
  readonly #quarantine: Quarantine;
  /** Quarantined messages wait for this consumer to be empty. */
  #heldBack = false;
  /** The last message came after a pause: its list is most likely empty now. */
  #quiet = false;
  /** Whether there is room for messages of blocking reads. */
  #wanted = false;
  #idle: (() => void) | null = null;
  #troubles: Troubles = { refusal: null, disorder: null };

  private constructor(parts: RedisConsumerParts) {
    this.#parts = parts;
    const { settings } = parts.connection;
    this.#prefix = settings.keyPrefix;
    this.#quarantine = new Quarantine(parts.clock, parts.options.quarantineMs);
    this.#sources = new QueueLists(this.#prefix, parts.options.queues, parts.steps);
    const handoff = new HandoffFlags([...this.#sources].map(({ suffix }) => suffix));
    this.#commands = new CommandBatcher(
      parts.connection,
      parts.clock,
      () => this.#held.size > few,
      (id) => this.#onEvicted(id),
      (refusal) =>
        this.#reportTrouble({
          refusal: refusal === null ? null : `${refusal}; tasks that have ended are not settled until then`,
        }),
    );
    this.#reads = new BlockingReads({
      prefix: this.#prefix,
      sources: this.#sources,
      commands: this.#commands,
      handoff,
      clock: parts.clock,
      control: parts.connection,
      connect: parts.connect,
      id: () => this.#id,
      isWanted: () => this.#wanted,
      onMessage: (message, waitedMs) => {
        this.#quiet = waitedMs > quietMs;
        const [delivery] = this.#hold(message);
        if (delivery !== undefined) this.#arrived.push(delivery);
        this.#wake();
        return delivery;
      },
      onLost: (delivery) => this.#lose(delivery),
      isStillOurs: (field) => this.#isStillOursInTime(field),
      onReplyLost: () => this.#lookAgain(),
      onRefused: () => this.#lookAgain(),
    });
    this.#unsubscribe = parts.connection.onState(({ connected }) => {
      if (connected) this.#wake();
    });
    this.#rules = {
      store: settings.store,
      adopting: this.#reads.adopting,
      keepsRecordsAt: (db, ttl) => this.#commands.keepsRecordsAt(db, ttl),
      address: parts.address,
      isOurs: (list) => this.#sources.has(list),
    };
    this.#maintenance = new Maintenance({
      connection: parts.connection,
      leaseMs: parts.options.leaseMs,
      queues: [...this.#sources.queues],
      handoff,
      onEvicted: (id) => this.#onEvicted(id),
      onTrouble: (disorder) => this.#reportTrouble({ disorder }),
      onWork: () => {
        if (!this.#quarantine.holdsQuarantined) this.#lookAgain();
      },
    });
  }

  /** Registers a consumer. @throws BrokerUnavailable */
  static async join(parts: RedisConsumerParts): Promise<RedisConsumer> {
    const consumer = new RedisConsumer(parts);
    try {
      await consumer.#join();
    } catch (error) {
      consumer.#unsubscribe();
      await consumer.#maintenance.stop();
      throw error;
    }
    return consumer;
  }

  /** For people who look into the store, and for tests. */
  get id(): string {
    return this.#id;
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    const sleeper = new Sleeper(this.#parts.clock);
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', sleeper.wake, { once: true });
    let room = true;
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        const count = capacity();
        room = count > 0;
        if (!room) return [];
        const { aloneMs } = this.#quarantine;
        this.#wanted = aloneMs === 0;
        if (aloneMs > 0 && this.#arrived.length === 0) {
          await this.#rest(false);
          await sleeper.sleep(aloneMs);
          continue;
        }
        if (this.#plenty && this.#wanted) this.#askForMore(capacity);
        if (!this.#parts.connection.state.connected && this.#arrived.length === 0) {
          await sleeper.sleep(longestTimerMs); // the connection wakes it
          continue;
        }
        const deliveries = this.#arrived.splice(0, count);
        if (deliveries.length === 0 && !this.#quiet) deliveries.push(...(await this.#take(capacity)));
        this.#quiet &&= deliveries.length > 0;
        if (deliveries.length > 0) {
          room = deliveries.length < capacity() && this.#quarantine.aloneMs === 0;
          return deliveries;
        }
        if (this.#heldBack && this.#arrived.length === 0) {
          const { againMs } = this.#quarantine.look(true);
          await this.#rest(false);
          await sleeper.sleep(Math.min(againMs ?? shortPollIntervalMs, pollIntervalMs));
          continue;
        }
        if (signal.aborted || this.#closing.signal.aborted || this.#arrived.length > 0) continue;
        await this.#reads.begin();
        if (this.#id === '') continue; // evicted meanwhile: registers again
        await sleeper.sleep(longestTimerMs);
      }
      room = false;
      return [];
    } finally {
      signal.removeEventListener('abort', sleeper.wake);
      this.#sleepers.delete(sleeper);
      if (this.#sleepers.size === 0 && !room) await this.#rest(signal.aborted);
      if (this.#sleepers.size === 0) this.#idle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#reads.leave();
    this.#unsubscribe();
    this.#wake();
    // A claim under way is finished first, so that its messages are known and given back.
    const givesUp = setTimeout(() => this.#commands.abandon(), leaveTimeoutMs);
    if (this.#sleepers.size > 0) await new Promise<void>((done) => (this.#idle = done));
    await this.#rest(true);
    await this.#commands.settled();
    clearTimeout(givesUp);
    const lists = [...this.#sources].flatMap(({ queue, step }) => [queue, String(step)]);
    try {
      await this.#joining?.catch(() => undefined);
      await this.#parts.connection.run(
        luaScript(leaveLua),
        [this.#prefix],
        [this.#prefix, this.#id, String(maxReadMs), ...lists],
        { timeoutMs: leaveTimeoutMs },
      );
    } catch {
      // Held messages come back to their queues when the lease ends.
    }
    this.#loseAllBut(new Set());
    await Promise.all([this.#maintenance.stop(), this.#reads.close()]);
    this.#parts.onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #join(): Promise<void> {
    const { options, connection, steps } = this.#parts;
    this.#next ||= randomUUID();
    const id = this.#next;
    const held = [...this.#held.keys()].flatMap((field) => [field, this.#reads.adopting.get(field) ?? '']);
    const about = JSON.stringify({ name: options.name, pid: process.pid, since: new Date() });
    const args = [
      this.#prefix,
      id,
      String(options.leaseMs),
      about,
      JSON.stringify(this.#sources.queues),
      steps.join(),
      String(maxReadMs),
      this.#former,
      String(this.#sources.queues.length),
      ...this.#sources.queues,
      ...held,
    ];
    let kept: unknown;
    try {
      kept = await connection.run(luaScript(joinLua), [this.#prefix], args);
    } catch (error) {
      // The consumer may be registered now: it comes again with the same id, or it holds nothing and is evicted.
      if (error instanceof ReplyLost) throw new BrokerUnavailable(error.message, { cause: error });
      throw error;
    }
    if (Array.isArray(kept) && String(kept[0]) === '!')
      throw new StoreVersionError(
        connection.settings.shown,
        Number(kept[1]),
        storeVersion,
        "use another database or `global_keyprefix`, or delete the keys that begin with 'umbel:'",
      );
    this.#loseAllBut(new Set(Array.isArray(kept) ? kept.map(String) : []));
    this.#former = '';
    this.#next = '';
    this.#id = id;
    this.#commands.begin(id);
    this.#maintenance.maintain(id);
    this.#wake();
  }

  /** @throws BrokerUnavailable: not yet */
  #registered(): Promise<void> {
    if (this.#id !== '') return Promise.resolve();
    this.#joining ??= this.#join().finally(() => {
      this.#joining = null;
    });
    return this.#joining;
  }

  /** The consumer was evicted, or the server has lost its data: it goes on under a new id, with the messages that still lie under the old one. */
  #onEvicted(id: string): void {
    if (id !== this.#id || this.#closing.signal.aborted) return;
    this.#id = '';
    this.#former = id;
    this.#wake();
    this.#registered().catch(() => undefined); // a later call tries again
  }

  #loseAllBut(kept: ReadonlySet<string>): void {
    this.#quarantine.reset();
    for (const [field, delivery] of this.#held) {
      if (kept.has(field)) this.#quarantine.took(delivery.crashes);
      else {
        delivery.lose();
        this.#held.delete(field);
      }
    }
    this.#arrived = this.#arrived.filter(({ field }) => kept.has(field));
    this.#heldBack = false;
    this.#reads.forget();
  }

  /** After a batch that was refused since the consumer was not registered. @throws BrokerUnavailable: it is not known yet */
  async #isStillOurs(field: string): Promise<boolean> {
    if (this.#closing.signal.aborted) return false;
    await this.#registered();
    return this.#held.has(field);
  }

  async #isStillOursInTime(field: string): Promise<boolean> {
    return (await this.#retry(() => this.#isStillOurs(field))) ?? false;
  }

  /** Repeats it until it is done; null: the consumer was closed before. */
  #retry<T>(work: () => Promise<T>): Promise<T | null> {
    return retrying(work, { policy: retryPolicy, clock: this.#parts.clock, signal: this.#closing.signal });
  }

  async #take(capacity: () => number): Promise<RedisDelivery[]> {
    await this.#registered();
    this.#askForMore(capacity);
    await this.#claims[0]?.over;
    return this.#arrived.splice(0, Math.max(0, capacity()));
  }

  /** While there is plenty, a second claim is under way while the messages of the first are worked on. */
  #askForMore(capacity: () => number): void {
    while (this.#claims.length < (this.#plenty ? 2 : 1)) this.#claims.push(this.#claim(capacity));
  }

  /** Claims as many as there is room for beside the messages that came, and those of other claims; for half of the slots when there is plenty. */
  #claim(capacity: () => number): Claim {
    const { slots = 0 } = this.#parts.options;
    const count = (): number => {
      const expected = this.#claims.reduce((sum, { asked }) => sum + asked, this.#arrived.length);
      const room = capacity() - expected;
      claim.asked = Math.max(0, this.#plenty ? Math.min(Math.ceil(slots / 2), room) : room);
      return claim.asked;
    };
    const over = this.#bring(count)
      .then((brought) => {
        this.#plenty = slots >= manySlots && brought > 0 && brought >= claim.asked;
      })
      .finally(() => this.#claims.splice(this.#claims.indexOf(claim), 1));
    over.catch(() => undefined); // a waiter gets the error; there may be none any more
    const claim: Claim = { asked: 0, over };
    return claim;
  }

  /** Returns the number of messages that came. */
  async #bring(count: () => number): Promise<number> {
    let mode: ClaimMode = 'n';
    const request: ClaimRequest = {
      count,
      mode: () => {
        mode = this.#mode();
        return mode;
      },
      lists: this.#sources.inTurn().map(({ list, suffix }) => [list, suffix, this.#reads.look(suffix)]),
    };
    const looked = request.lists.flatMap(([, suffix, recovered]) => (recovered === '1' ? [suffix] : []));
    const claimed = await this.#commands.claim(request).finally(() => this.#reads.looked(looked, false));
    if (claimed === null) return 0;
    const { messages, heldBack } = claimed;
    this.#heldBack = heldBack;
    if (!heldBack) {
      this.#quarantine.look(false);
      this.#reads.looked(looked, true);
    }
    const last = messages.at(-1);
    if (last !== undefined) this.#sources.served(last.queue);
    for (const message of messages) this.#arrived.push(...this.#hold(message));
    if (!this.#wanted) this.#giveBackArrived();
    // Of two claims only the first is awaited; the messages of the other may come to a waiting `claim`, which is woken.
    else if (messages.length > 0) this.#wake();
    if (this.#quarantine.aloneMs > 0) {
      this.#wanted = false;
      if (mode === 'n' && this.#quarantine.held > 1)
        this.#giveBackArrived(({ crashes }) => isQuarantined(crashes));
    }
    return messages.length;
  }

  #mode(): ClaimMode {
    if (this.#quarantine.holdsQuarantined) return 'o';
    return this.#quarantine.held > 0 && this.#quarantine.look(this.#heldBack).quarantined ? 'b' : 'n';
  }

  /** Holds a message; unless its time has not come: then it is deferred, and waits in the store. */
  #hold(message: ClaimedMessage): RedisDelivery[] {
    const delivery = new RedisDelivery(message, this.#settle);
    const due = dueOf(delivery);
    // The worker decides on a promoted message: it may have been revoked.
    if (due !== null && due > this.#parts.clock.now() && !delivery.redelivered) {
      const { message, queue, isAnnounced } = delivery;
      const announced = !isAnnounced && message.ok && this.#parts.options.onEarly?.(message.value, queue);
      void this.#defer(delivery.field, due, announced ? 't' : '0');
      return [];
    }
    this.#held.set(delivery.field, delivery);
    this.#quarantine.took(delivery.crashes);
    return [delivery];
  }

  /** Moves it to the schedule, however long that takes; if the consumer is closed before, it goes back to its queue. */
  async #defer(field: string, due: number, marked: 't' | '0'): Promise<void> {
    const done = await this.#retry(() => this.#commands.do('R', field, String(due), '0', marked));
    if (done !== null) this.#maintenance.due(due);
  }

  #reportTrouble(changes: Partial<Troubles>): void {
    this.#troubles = { ...this.#troubles, ...changes };
    const { refusal, disorder } = this.#troubles;
    const all = [refusal, disorder].filter((each) => each !== null);
    this.#parts.options.onTrouble?.(all.length === 0 ? null : all.join('; '));
  }

  #letGo(delivery: RedisDelivery): void {
    if (this.#held.delete(delivery.field) && this.#quarantine.letGo(delivery.crashes)) this.#lookAgain();
  }

  /** With callbacks: a promise for each step would cost more than the step. */
  readonly #settle = (delivery: RedisDelivery, settlement: Settlement): Promise<'settled' | 'fenced'> => {
    const { field } = delivery;
    const ended = endedArgs(field, settlement, this.#rules);
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void => {
        delivery.unsettle();
        reject(error);
      };
      const write = (args: readonly string[]): void => {
        if (!this.#held.has(field)) {
          resolve('fenced');
          return;
        }
        this.#commands.order(
          args,
          (done, evicted) => {
            if (evicted) {
              // A message that is no longer held is fenced; also when the consumer is closed.
              this.#isStillOurs(field).then((ours) => (ours ? write(args) : resolve('fenced')), failed);
              return;
            }
            this.#letGo(delivery);
            if (done) this.#settled(settlement);
            else this.#giveUpAdoption(field);
            resolve(done ? 'settled' : 'fenced');
          },
          failed,
          false,
          args === ended && settlement.kind === 'ack'
            ? historyOf(settlement.history, this.#rules.store)
            : null,
        );
      };
      if (ended !== null) write(ended);
      else {
        const now = this.#parts.clock.now();
        settlementArgs(field, settlement, now, this.#rules).then(write).catch(failed);
      }
    });
  };

  /** It was settled in a call before the one that adopts it: an adoption now would leave it held for ever. */
  #giveUpAdoption(field: string): void {
    if (this.#reads.adopting.has(field)) void this.#retry(() => this.#commands.do('R', field, '', '0', '1'));
  }

  /** Tells the maintenance about a message that was scheduled. */
  #settled(settlement: Settlement): void {
    if (settlement.kind === 'release' && settlement.until !== null)
      this.#maintenance.due(settlement.until.getTime());
    if (settlement.kind === 'ack' && settlement.publish !== undefined) {
      for (const { eta } of settlement.publish) if (eta !== null) this.#maintenance.due(eta.getTime());
    }
  }

  /** A message that a blocking read brought is not ours after all. */
  #lose(delivery: RedisDelivery): void {
    delivery.lose();
    this.#arrived = this.#arrived.filter((each) => each !== delivery);
    this.#letGo(delivery);
  }

  /** Stops waiting: there is no room, or no claim. Messages that came all the same go back. */
  async #rest(entirely: boolean): Promise<void> {
    this.#wanted = false;
    const stopping = this.#reads.stop();
    this.#giveBackArrived();
    if (entirely) await Promise.all(stopping);
    // So that the command is sent before a task blocks the event loop.
    else if (stopping.length > 0) await nextTurn();
  }

  /** Gives back messages of blocking reads, when a claim brought a quarantined message that must be alone. */
  #giveBackArrived(which: (delivery: RedisDelivery) => boolean = () => true): void {
    const back = this.#arrived.filter(which);
    this.#arrived = this.#arrived.filter((delivery) => !back.includes(delivery));
    for (const delivery of back) {
      const giveBack = () => delivery.settle({ kind: 'release', until: null });
      // Also when the server refuses it for now: else it would be held, by nobody who knows of it, as long as this consumer lives.
      giveBack().catch(() => this.#retry(giveBack));
    }
  }

  /** There may be a message that no blocking read brings. */
  #lookAgain(): void {
    this.#quiet = false;
    this.#wake();
  }

  #wake(): void {
    for (const sleeper of this.#sleepers) sleeper.wake();
  }
}

/** When a message may run, if its headers name a time. */
function dueOf({ message }: RedisDelivery): number | null {
  const eta = message.ok ? message.value.headers.eta : null;
  return typeof eta === 'string' ? (parseTimestamp(eta)?.getTime() ?? null) : null;
}

const retryPolicy = { factor: 50, maximum: 1000, jitter: true } as const;
