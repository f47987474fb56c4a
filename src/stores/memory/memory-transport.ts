// A transport in the process's memory, for tests and for programs that need no other.

import { BrokerUnavailable, LeaseLostError } from '../../errors.ts';
import { type Clock, longestTimerMs } from '../../lib/clock.ts';
import { Sleeper } from '../../lib/sleeper.ts';
import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import type { Decoded, WireMessage } from '../../protocol/message.ts';
import type { AuditStore } from '../audit-store.ts';
import { type HeldMessage, isOfTask } from '../held-messages.ts';
import type { HistoryStream, HistoryStreamOptions } from '../history-stream.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import { Quarantine } from '../quarantine.ts';
import { checkQueueName } from '../reserved-names.ts';
import { StatusNotifier } from '../status.ts';
import type { StoreWrite } from '../store-write.ts';
import {
  type ConsumeOptions,
  type Consumer,
  type DeadLetterStore,
  type Delivery,
  maxPeekedBytes,
  type PeekedMessage,
  type PeekOptions,
  type Publication,
  type QueueSize,
  type Settlement,
  type StoredDeadLetter,
  type Transport,
  type TransportFeatures,
  type TransportStatus,
} from '../transport.ts';
import { decisionsOf, type WaitingChanges } from '../waiting.ts';
import { closeMemory, type MemoryStore, openMemory } from './memory.ts';
import { MemoryFanout, MemoryRevocations } from './memory-fanout.ts';
import { applyWrite, MemoryQueues, type NewEntry, type Owner, type QueuedMessage } from './memory-queues.ts';

interface MemoryTransportOptions {
  /** The clock of the store. It is used only if this call is the first to open the store of that name. */
  readonly clock?: Clock;
}

/** Opens the transport on the store of that name, which the whole process shares. */
export function openMemoryTransport(name: string, options: MemoryTransportOptions = {}): MemoryTransport {
  const store = openMemory(name);
  return new MemoryTransport(
    store,
    store.part('messages', () => new MemoryQueues(options.clock)),
  );
}

class MemoryTransport implements Transport {
  readonly name = 'memory';
  readonly features: TransportFeatures = {
    priority: true,
    priorityOrder: 'lowest-first',
    exchanges: false,
    once: false,
    multiProcess: false,
    durable: false,
    atomicSettlement: true,
    leaseExpires: false,
    counts: true,
    keepsPlace: true,
    choosesWaiting: true,
  };
  readonly #status = new StatusNotifier();
  readonly onStatus: Transport['onStatus'] = this.#status.listen;
  readonly store: MemoryStore;
  readonly deadLetters: DeadLetterStore;
  readonly fanout: MemoryFanout;
  readonly revocations: MemoryRevocations;
  readonly #queues: MemoryQueues;
  readonly #consumers = new Set<MemoryConsumer>();
  #closed = false;

  constructor(store: MemoryStore, queues: MemoryQueues) {
    this.store = store;
    this.#queues = queues;
    this.deadLetters = new MemoryDeadLetters(queues);
    this.fanout = new MemoryFanout(store);
    this.revocations = new MemoryRevocations(store, () => queues.clock.now());
  }

  /** There is no connection that could fail. */
  get status(): TransportStatus {
    return this.#status.status;
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    this.#refuseIfClosed();
    this.#queues.put(publications.map((publication) => toEntry(publication, this.store)));
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.#refuseIfClosed();
    for (const queue of options.queues) checkQueueName(queue);
    const consumer = new MemoryConsumer(this.store, this.#queues, options, () => {
      this.#consumers.delete(consumer);
      this.fanout.leave(consumer);
    });
    this.#consumers.add(consumer);
    this.fanout.join(consumer, options.name);
    return consumer;
  }

  async size(queue: string): Promise<QueueSize> {
    return this.#queues.size(queue);
  }

  async queues(): Promise<readonly string[]> {
    return this.#queues.queues();
  }

  async purge(queue: string): Promise<number> {
    return this.#queues.purge(queue);
  }

  async held(queue: string, limit: number): Promise<readonly HeldMessage[]> {
    return this.#queues
      .held(queue)
      .slice(0, limit)
      .map(({ entry, owner }) => ({
        consumer: owner.name,
        leaseEnds: null,
        message: decodeEnvelope(entry.raw),
      }));
  }

  async releaseHeld(queue: string, taskId: string): Promise<number> {
    this.#refuseIfClosed();
    const meant = this.#queues.held(queue).filter(({ entry }) => isOfTask(decodeEnvelope(entry.raw), taskId));
    for (const { entry, owner } of meant)
      if (this.#queues.unclaim(entry, owner)) this.#queues.release(entry, null);
    return meant.length;
  }

  async openLocks(): Promise<Locks> {
    const { MemoryLocks } = await import('./memory-locks.ts');
    return new MemoryLocks(this.store, this.#queues.clock);
  }

  async openAudit(): Promise<AuditStore> {
    const { MemoryAudit } = await import('./memory-audit.ts');
    return new MemoryAudit(this.store);
  }

  async openPauses(): Promise<PauseStore> {
    const { MemoryPauses } = await import('./memory-pauses.ts');
    return new MemoryPauses(this.store);
  }

  async openHistoryStream(options: HistoryStreamOptions): Promise<HistoryStream> {
    const { MemoryHistoryStream } = await import('./memory-history-stream.ts');
    return new MemoryHistoryStream(this.store, this.#queues.clock, options);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openMemoryLimits } = await import('./memory-limits.ts');
    return openMemoryLimits(this.store, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readMemoryLimits } = await import('./memory-limits.ts');
    return readMemoryLimits(this.store, reading);
  }

  async peek(
    queue: string,
    { place, heads = false, first, limit }: PeekOptions,
  ): Promise<readonly PeekedMessage[]> {
    const waiting = this.#queues.waiting(queue, place);
    const numbered = waiting.map((each, position) => ({ ...each, position: heads ? null : position }));
    const isHead = ({ entry }: (typeof waiting)[number], index: number): boolean =>
      entry.priority !== waiting[index - 1]?.entry.priority;
    const shown = heads ? numbered.filter(isHead) : numbered;
    let left = maxPeekedBytes;
    return (first === 'next' ? shown : shown.reverse())
      .slice(0, limit)
      .map(({ due, entry: { raw }, position }) => {
        const fits = raw.length <= left;
        if (fits) left -= raw.length;
        return {
          position,
          due: due === null ? null : new Date(due),
          message: fits ? decodeEnvelope(raw) : null,
        };
      });
  }

  async changeWaiting(queue: string, changes: WaitingChanges): Promise<number> {
    this.#refuseIfClosed();
    let count = 0;
    for (const place of changes.places) {
      const waiting = this.#queues.waiting(queue, place).map(({ due, entry }) => ({
        entry,
        due: due === null ? null : new Date(due),
        message: decodeEnvelope(entry.raw),
      }));
      const decided = decisionsOf(waiting, changes, changes.limit - count);
      const done = decided.filter(({ found: { entry }, decision }) => {
        if (decision !== 'delete') checkQueueName(decision.queue);
        if (!this.#queues.take(entry, place)) return false;
        if (decision !== 'delete') {
          const { queue, due, message } = decision;
          const own = { priority: entry.priority, raw: entry.raw };
          const content =
            message === null
              ? own
              : {
                  priority: message.properties.priority,
                  raw: encodeEnvelope(message, { bodyEncoding: 'utf-8' }),
                };
          this.#queues.putElsewhere(entry, { queue, due: due?.getTime() ?? null, ...content });
        }
        return true;
      });
      count += done.length;
      if (done.length > 0) await changes.changed?.(done.map(({ found }) => found));
    }
    return count;
  }

  async dueCounts(times: readonly number[]): Promise<readonly number[]> {
    const due = this.#queues.dueTimes();
    return times
      .slice(1)
      .map((end, at) => due.filter((each) => each >= (times[at] ?? 0) && each < end).length);
  }

  async promote(queue: string, due: readonly number[]): Promise<number> {
    return this.#queues.promote(queue, due);
  }

  async promoteMatching(
    groups: readonly (readonly string[])[],
    { waiting }: { waiting: boolean },
  ): Promise<number> {
    return this.#queues.promoteMatching(groups, waiting);
  }

  /** Puts bytes into a queue, as another program might have done. For tests. */
  putRaw(queue: string, raw: Uint8Array): void {
    this.#queues.put([{ queue, priority: 0, raw, due: null, write: undefined }]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const consumer of [...this.#consumers]) await consumer.close();
    closeMemory(this.store);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** After the last handle is closed the store is deleted, so a later message would be lost. */
  #refuseIfClosed(): void {
    if (this.#closed) throw new BrokerUnavailable(`this handle on the store '${this.store.name}' is closed`);
  }
}

export class MemoryConsumer implements Consumer {
  readonly #store: MemoryStore;
  readonly #queues: MemoryQueues;
  readonly #names: readonly string[];
  readonly #quarantineMs: number | undefined;
  readonly #onClose: () => void;
  readonly #held = new Set<MemoryDelivery>();
  readonly #closing = new AbortController();
  readonly #consumerName: string;
  #owner: Owner;
  #turn = 0;

  constructor(store: MemoryStore, queues: MemoryQueues, options: ConsumeOptions, onClose: () => void) {
    this.#store = store;
    this.#queues = queues;
    this.#names = options.queues;
    this.#quarantineMs = options.quarantineMs;
    this.#onClose = onClose;
    this.#consumerName = options.name;
    this.#owner = this.#newOwner();
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    // `capacity` is read late, as in a store over a network, so that it counts all claims of this turn of the event loop.
    await Promise.resolve();
    const sleeper = new Sleeper(this.#queues.clock);
    const stops = [signal, this.#closing.signal];
    for (const stop of stops) stop.addEventListener('abort', sleeper.wake, { once: true });
    try {
      while (!stops.some((stop) => stop.aborted)) {
        const owner = this.#owner;
        const limit = capacity();
        const { entries, turn, againMs } = this.#queues.claim(owner, sleeper, this.#names, this.#turn, limit);
        this.#turn = turn;
        if (entries.length > 0 || limit <= 0) return entries.map((entry) => this.#hold(entry, owner));
        await sleeper.sleep(againMs ?? this.#msToNextDue());
      }
      this.#queues.leave(sleeper, this.#names);
      return [];
    } finally {
      for (const stop of stops) stop.removeEventListener('abort', sleeper.wake);
    }
  }

  /** Simulates the death of the process: its messages are ready again. For tests. */
  die(): void {
    this.#queues.evict(this.#owner);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const delivery of this.#held) delivery.giveBack();
    this.#held.clear();
    this.#onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #msToNextDue(): number {
    const due = this.#queues.nextDue();
    return due === null
      ? longestTimerMs
      : Math.min(pollIntervalMs, Math.max(0, due - this.#queues.clock.now()));
  }

  #hold(entry: QueuedMessage, owner: Owner): MemoryDelivery {
    const delivery = new MemoryDelivery(this.#store, this.#queues, entry, owner, () =>
      this.#held.delete(delivery),
    );
    this.#held.add(delivery);
    return delivery;
  }

  #newOwner(): Owner {
    return {
      name: this.#consumerName,
      quarantine: new Quarantine(this.#queues.clock, this.#quarantineMs),
      evicted: () => {
        for (const delivery of this.#held) delivery.lose();
        this.#held.clear();
        this.#owner = this.#newOwner();
      },
    };
  }
}

/** How long a claim sleeps at most while a message is scheduled, milliseconds, since the wall clock may be set. */
const pollIntervalMs = 10_000;

class MemoryDelivery implements Delivery {
  readonly #store: MemoryStore;
  readonly #queues: MemoryQueues;
  readonly #entry: QueuedMessage;
  readonly #owner: Owner;
  readonly #onSettled: () => void;
  #message: Decoded<WireMessage> | undefined;
  #lost: AbortController | undefined;
  #isLost = false;
  #settled = false;

  constructor(
    store: MemoryStore,
    queues: MemoryQueues,
    entry: QueuedMessage,
    owner: Owner,
    onSettled: () => void,
  ) {
    this.#store = store;
    this.#queues = queues;
    this.#entry = entry;
    this.#owner = owner;
    this.#onSettled = onSettled;
  }

  get queue(): string {
    return this.#entry.queue;
  }

  get raw(): Uint8Array {
    return toBytes(this.#entry.raw);
  }

  get message(): Decoded<WireMessage> {
    const message = this.#message ?? decodeEnvelope(this.#entry.raw);
    this.#message = message;
    return message;
  }

  get redelivered(): boolean {
    if (this.#entry.redelivered) return true;
    const { message } = this;
    return message.ok && message.value.properties.deliveryInfo.redelivered === true;
  }

  get crashes(): number {
    return this.#entry.crashes;
  }

  get deferrals(): number {
    return this.#entry.deferrals;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort(new LeaseLostError());
    return this.#lost.signal;
  }

  async settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#settled) throw new TypeError('a delivery is settled once');
    const { kind } = settlement;
    const write = kind === 'release' ? undefined : settlement.write;
    const publish = kind === 'ack' ? (settlement.publish ?? []) : [];
    const entries = publish.map((each) => toEntry(each, this.#store));
    const history = kind === 'release' ? undefined : settlement.history;
    refuseForeign(write, this.#store);
    refuseForeign(history, this.#store);
    if (this.#queues.isHeldBy(this.#entry, this.#owner)) {
      // The step that can fail comes first. If it fails, nothing has changed, and the caller may try again.
      if (write !== undefined) applyWrite(write);
      if (history !== undefined) applyWrite(history);
      for (const entry of entries) if (entry.write !== undefined) applyWrite(entry.write);
      this.#queues.put(entries.map((entry) => ({ ...entry, write: undefined })));
    }
    this.#settled = true;
    this.#onSettled();
    if (!this.#queues.unclaim(this.#entry, this.#owner)) return 'fenced';
    if (kind === 'release')
      this.#queues.release(this.#entry, settlement.until?.getTime() ?? null, settlement);
    if (kind === 'dead') this.#queues.makeDead(this.#entry, settlement.reason, settlement.detail);
    return 'settled';
  }

  lose(): void {
    this.#isLost = true;
    this.#lost?.abort(new LeaseLostError());
  }

  giveBack(): void {
    if (this.#queues.unclaim(this.#entry, this.#owner)) this.#queues.release(this.#entry, null);
  }
}

class MemoryDeadLetters implements DeadLetterStore {
  readonly #queues: MemoryQueues;

  constructor(queues: MemoryQueues) {
    this.#queues = queues;
  }

  async list(options: Parameters<DeadLetterStore['list']>[0] = {}): Promise<readonly StoredDeadLetter[]> {
    const { limit = 100, before = Number.POSITIVE_INFINITY, queue } = options;
    return this.#queues
      .letters()
      .filter((dead) => dead.id < before && (queue === undefined || dead.queue === queue))
      .slice(0, limit)
      .map((dead) => ({ ...dead, raw: toBytes(dead.raw) }));
  }

  async get(id: number): Promise<StoredDeadLetter | undefined> {
    const dead = this.#queues.letter(id);
    return dead === undefined ? undefined : { ...dead, raw: toBytes(dead.raw) };
  }

  async count(): Promise<number> {
    return this.#queues.dead;
  }

  async replay(id: number): Promise<boolean> {
    return this.#queues.replay(id);
  }

  async discard(id: number): Promise<boolean> {
    return this.#queues.discard(id);
  }
}

function toEntry(publication: Publication, store: MemoryStore): NewEntry {
  refuseForeign(publication.write, store);
  refuseForeign(publication.history, store);
  checkQueueName(publication.queue);
  return {
    queue: publication.queue,
    priority: publication.message.properties.priority,
    raw: encodeEnvelope(publication.message, { bodyEncoding: 'utf-8' }),
    due: publication.eta?.getTime() ?? null,
    write: publication.write,
    history: publication.history,
  };
}

function refuseForeign(write: StoreWrite | undefined, store: MemoryStore): void {
  if (write !== undefined && write.store !== store)
    throw new TypeError('a write made for another store cannot travel with this settlement');
}

function toBytes(raw: string | Uint8Array): Uint8Array {
  return typeof raw === 'string' ? Buffer.from(raw) : raw;
}
