// The messages of a store in memory, their owners, and waiting consumers. Nothing here is asynchronous, so every change is atomic.
import { type Clock, systemClock } from '../../lib/clock.ts';
import { Heap } from '../../lib/heap.ts';
import { isQuarantined, type Quarantine } from '../quarantine.ts';
import type { StoreWrite } from '../store-write.ts';
import type { DeadReason, QueueSize, StoredDeadLetter } from '../transport.ts';

/** A message in its queue. */
export interface QueuedMessage {
  readonly seq: number;
  readonly queue: string;
  readonly priority: number;
  readonly raw: string | Uint8Array;
  crashes: number;
  deferrals: number;
  redelivered: boolean;
}

/** A message to be put into its queue. */
export interface NewEntry {
  readonly queue: string;
  readonly priority: number;
  readonly raw: string | Uint8Array;
  /** Milliseconds since 1970; null = now. */
  readonly due: number | null;
  readonly write: StoreWrite | undefined;
  readonly history?: StoreWrite | undefined;
}

/** A holder of messages. Its identity is the fence. */
export interface Owner {
  readonly name: string;
  readonly quarantine: Quarantine;
  /** The owner was taken for dead: it has lost its messages. */
  evicted(): void;
}

/** A claim under way that found its queues empty. */
interface WaitingConsumer {
  /** There may be a message to claim. */
  wake(): void;
}

interface Dead extends Omit<StoredDeadLetter, 'raw'> {
  readonly raw: string | Uint8Array;
  readonly priority: number;
}

export class MemoryQueues {
  readonly clock: Clock;
  readonly #ready = new Map<string, Heap<QueuedMessage>>();
  /** Messages that are ready, but whose owners died twice. */
  readonly #quarantined = new Map<string, Heap<QueuedMessage>>();
  readonly #scheduled = new Heap<{ readonly due: number; readonly entry: QueuedMessage }>(
    (a, b) => a.due - b.due || a.entry.seq - b.entry.seq,
  );
  readonly #claims = new Map<QueuedMessage, Owner>();
  /** Consumers that found their queues empty. Each is woken once. */
  readonly #waiting = new Map<
    WaitingConsumer,
    { readonly queues: readonly string[]; readonly owner: Owner }
  >();
  /** Consumers that claim nothing now, because of quarantined messages. */
  readonly #quarantineWaiters = new Set<WaitingConsumer>();
  readonly #dead = new Map<number, Dead>();
  #seq = 0;
  #deadId = 0;

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
  }

  /**
   * Puts messages into their queues, except those whose companion write shows that they are there already. All writes come first: if one
   * throws, no message has been put.
   */
  put(entries: readonly NewEntry[]): void {
    const fresh = entries.filter(({ write }) => write === undefined || applyWrite(write));
    for (const { queue, priority, raw, due, history } of fresh) {
      if (history !== undefined) applyWrite(history);
      this.#place(
        { seq: ++this.#seq, queue, priority, raw, crashes: 0, deferrals: 0, redelivered: false },
        due,
      );
    }
  }

  /**
   * Claims the most urgent messages of these queues, which take turns where priorities are equal; or adds `waiter` to the waiting consumers.
   * `againMs`: nothing may be claimed now; try again after this time, milliseconds.
   */
  claim(
    owner: Owner,
    waiter: WaitingConsumer,
    queues: readonly string[],
    turn: number,
    limit: number,
  ): { entries: QueuedMessage[]; turn: number; againMs: number | null } {
    this.#waiting.delete(waiter);
    this.#quarantineWaiters.delete(waiter);
    this.#promote();
    const quarantined = this.#quarantinedIn(queues);
    const may = owner.quarantine.look(quarantined !== undefined);
    const entries: QueuedMessage[] = [];
    let next = turn;
    if (may.quarantined && limit > 0) {
      const first = quarantined?.pop();
      if (first !== undefined) entries.push(this.#hold(first, owner));
      this.#wakeQuarantineWaiters();
    }
    while (may.others && entries.length < limit) {
      const queue = this.#nextQueue(queues, next);
      const entry = queue === undefined ? undefined : this.#ready.get(queue)?.pop();
      if (queue === undefined || entry === undefined) break;
      next = queues.indexOf(queue) + 1;
      entries.push(this.#hold(entry, owner));
    }
    if (entries.length === 0 && limit > 0 && may.againMs === null)
      this.#waiting.set(waiter, { queues, owner });
    else this.#passOn(queues);
    if (may.againMs !== null) this.#quarantineWaiters.add(waiter);
    return { entries, turn: next, againMs: may.againMs };
  }

  /** The messages of a queue that are held, with their owners. */
  held(queue: string): readonly { readonly entry: QueuedMessage; readonly owner: Owner }[] {
    return [...this.#claims]
      .filter(([entry]) => entry.queue === queue)
      .map(([entry, owner]) => ({ entry, owner }));
  }

  isHeldBy(entry: QueuedMessage, owner: Owner): boolean {
    return this.#claims.get(entry) === owner;
  }

  /** Ends the claim of a message; false: `owner` has lost it. */
  unclaim(entry: QueuedMessage, owner: Owner): boolean {
    if (this.#claims.get(entry) !== owner) return false;
    this.#claims.delete(entry);
    if (owner.quarantine.letGo(entry.crashes)) {
      this.#wakeQuarantineWaiters();
      for (const waiter of this.#waiting.keys()) waiter.wake(); // for the next quarantined message
    }
    return true;
  }

  /** Puts a message that was claimed back to its position in the queue, or into the schedule. */
  release(
    entry: QueuedMessage,
    due: number | null,
    { deferred = false, crashed = false }: { readonly deferred?: boolean; readonly crashed?: boolean } = {},
  ): void {
    entry.redelivered = true;
    if (deferred) entry.deferrals++;
    if (crashed) entry.crashes++;
    this.#place(entry, due);
  }

  makeDead(entry: QueuedMessage, reason: DeadReason, detail: string): void {
    const { queue, priority, crashes, raw } = entry;
    const id = ++this.#deadId;
    this.#dead.set(id, {
      id,
      queue,
      priority,
      crashes,
      raw,
      reason,
      detail,
      diedAt: new Date(this.clock.now()),
    });
  }

  /** An owner is dead: its messages are ready again, with one more crash each. */
  evict(owner: Owner): void {
    for (const [entry, holder] of [...this.#claims]) {
      if (holder !== owner) continue;
      this.#claims.delete(entry);
      entry.crashes++;
      this.release(entry, null);
    }
    owner.evicted();
  }

  /** Removes a waiting consumer. If it was just woken for a message, another consumer is woken in its place. */
  leave(waiter: WaitingConsumer, queues: readonly string[]): void {
    this.#waiting.delete(waiter);
    this.#quarantineWaiters.delete(waiter);
    this.#passOn(queues);
  }

  /** When the next scheduled message is due, milliseconds since 1970. */
  nextDue(): number | null {
    return this.#scheduled.peek()?.due ?? null;
  }

  /** The times of all scheduled messages, milliseconds since 1970. */
  dueTimes(): readonly number[] {
    return [...this.#scheduled].map(({ due }) => due);
  }

  size(queue: string): QueueSize {
    this.#promote();
    return {
      ready: this.#readyIn(queue),
      scheduled: count(this.#scheduled, ({ entry }) => entry.queue === queue),
      claimed: count(this.#claims.keys(), (entry) => entry.queue === queue),
    };
  }

  /** The messages of one place, what comes next first; `due`: milliseconds since 1970. */
  waiting(
    queue: string,
    place: 'ready' | 'scheduled',
  ): readonly { readonly due: number | null; readonly entry: QueuedMessage }[] {
    this.#promote();
    if (place === 'scheduled')
      return [...this.#scheduled]
        .filter(({ entry }) => entry.queue === queue)
        .sort((a, b) => a.due - b.due || a.entry.seq - b.entry.seq);
    return [this.#quarantined, this.#ready]
      .flatMap((line) =>
        [...(line.get(queue) ?? [])].sort((a, b) => a.priority - b.priority || a.seq - b.seq),
      )
      .map((entry) => ({ due: null, entry }));
  }

  queues(): string[] {
    const names = new Set<string>();
    for (const line of [this.#ready, this.#quarantined])
      for (const [name, heap] of line) if (heap.size > 0) names.add(name);
    for (const { entry } of this.#scheduled) names.add(entry.queue);
    for (const entry of this.#claims.keys()) names.add(entry.queue);
    return [...names].sort();
  }

  purge(queue: string): number {
    const { ready, scheduled } = this.size(queue);
    this.#ready.delete(queue);
    this.#quarantined.delete(queue);
    const kept = [...this.#scheduled].filter(({ entry }) => entry.queue !== queue);
    while (this.#scheduled.pop() !== undefined);
    for (const item of kept) this.#scheduled.push(item);
    return ready + scheduled;
  }

  /** Takes a message out that waits in this place; false: it does not wait there any more. */
  take(entry: QueuedMessage, place: 'ready' | 'scheduled'): boolean {
    const line = isQuarantined(entry.crashes) ? this.#quarantined : this.#ready;
    const heap = line.get(entry.queue);
    if (place === 'scheduled') {
      if (![...this.#scheduled].some((item) => item.entry === entry)) return false;
      refill(this.#scheduled, (item) => item.entry !== entry);
    } else {
      if (heap === undefined || ![...heap].includes(entry)) return false;
      refill(heap, (each) => each !== entry);
    }
    return true;
  }

  /** Puts a message that was taken out to another place, with its crashes and deferrals. `due`: milliseconds since 1970. */
  putElsewhere(entry: QueuedMessage, place: Pick<NewEntry, 'queue' | 'priority' | 'raw' | 'due'>): void {
    const { queue, priority, raw, due } = place;
    this.#place({ ...entry, queue, priority, raw }, due);
  }

  /** Makes the messages ready that are due at exactly one of these times; returns their number. */
  promote(queue: string, due: readonly number[]): number {
    const times = new Set(due);
    const found = [...this.#scheduled].filter((item) => times.has(item.due) && item.entry.queue === queue);
    if (found.length === 0) return 0;
    const kept = [...this.#scheduled].filter((item) => !found.includes(item));
    while (this.#scheduled.pop() !== undefined);
    for (const item of kept) this.#scheduled.push(item);
    for (const { entry } of found) this.#place(entry, null);
    return found.length;
  }

  /** See `Transport.promoteMatching`. */
  promoteMatching(groups: readonly (readonly string[])[], waiting: boolean): number {
    const isMeant = ({ raw }: QueuedMessage): boolean => {
      const text = typeof raw === 'string' ? raw : Buffer.from(raw).toString();
      return groups.some((texts) => texts.every((each) => text.includes(each)));
    };
    const lines = waiting ? [...this.#ready.values()] : [];
    const found = [...this.#scheduled].filter(({ entry }) => isMeant(entry)).map(({ entry }) => entry);
    if (found.length > 0) refill(this.#scheduled, ({ entry }) => !found.includes(entry));
    for (const line of lines) {
      const own = [...line].filter(isMeant);
      if (own.length > 0) refill(line, (entry) => !own.includes(entry));
      found.push(...own);
    }
    for (const entry of found) this.#place({ ...entry, priority: -1 }, null);
    return found.length;
  }

  get dead(): number {
    return this.#dead.size;
  }

  /** Dead letters, the newest first. */
  letters(): Dead[] {
    return [...this.#dead.values()].sort((a, b) => b.id - a.id);
  }

  letter(id: number): Dead | undefined {
    return this.#dead.get(id);
  }

  replay(id: number): boolean {
    const dead = this.#dead.get(id);
    if (dead === undefined) return false;
    this.#dead.delete(id);
    const { queue, priority, raw } = dead;
    this.put([{ queue, priority, raw, due: null, write: undefined }]);
    return true;
  }

  discard(id: number): boolean {
    return this.#dead.delete(id);
  }

  #place(entry: QueuedMessage, due: number | null): void {
    if (due !== null && due > this.clock.now()) {
      const next = this.nextDue();
      this.#scheduled.push({ due, entry });
      // Waiting consumers set their timers again, and stay on the list.
      if (next === null || due < next) for (const waiter of this.#waiting.keys()) waiter.wake();
      return;
    }
    const line = isQuarantined(entry.crashes) ? this.#quarantined : this.#ready;
    const heap =
      line.get(entry.queue) ?? new Heap<QueuedMessage>((a, b) => a.priority - b.priority || a.seq - b.seq);
    line.set(entry.queue, heap);
    heap.push(entry);
    this.#wakeOne(entry.queue);
  }

  #promote(): void {
    const now = this.clock.now();
    for (
      let next = this.#scheduled.peek();
      next !== undefined && next.due <= now;
      next = this.#scheduled.peek()
    ) {
      this.#scheduled.pop();
      this.#place(next.entry, null);
    }
  }

  /** Wakes waiting consumers for the messages that are left. */
  #passOn(queues: readonly string[]): void {
    for (const queue of queues) if (this.#readyIn(queue) > 0) this.#wakeOne(queue);
  }

  #wakeOne(queue: string): void {
    const onlyQuarantined = (this.#ready.get(queue)?.size ?? 0) === 0;
    for (const [waiter, { queues, owner }] of this.#waiting) {
      if (!queues.includes(queue) || (onlyQuarantined && owner.quarantine.holdsQuarantined)) continue;
      this.#waiting.delete(waiter);
      waiter.wake();
      return;
    }
  }

  #wakeQuarantineWaiters(): void {
    for (const waiter of this.#quarantineWaiters) waiter.wake();
  }

  #hold(entry: QueuedMessage, owner: Owner): QueuedMessage {
    this.#claims.set(entry, owner);
    owner.quarantine.took(entry.crashes);
    return entry;
  }

  #readyIn(queue: string): number {
    return (this.#ready.get(queue)?.size ?? 0) + (this.#quarantined.get(queue)?.size ?? 0);
  }

  /** The quarantined messages of the first queue that has any. */
  #quarantinedIn(queues: readonly string[]): Heap<QueuedMessage> | undefined {
    if (this.#quarantined.size === 0) return undefined;
    for (const queue of queues) {
      const quarantined = this.#quarantined.get(queue);
      if (quarantined !== undefined && quarantined.size > 0) return quarantined;
    }
    return undefined;
  }

  #nextQueue(queues: readonly string[], turn: number): string | undefined {
    let best: string | undefined;
    let priority = Number.POSITIVE_INFINITY;
    for (let index = 0; index < queues.length; index++) {
      const queue = queues[(turn + index) % queues.length] ?? '';
      const head = this.#ready.get(queue)?.peek();
      if (head !== undefined && head.priority < priority) [best, priority] = [queue, head.priority];
    }
    return best;
  }
}

function refill<T>(heap: Heap<T>, keeps: (item: T) => boolean): void {
  const kept = [...heap].filter(keeps);
  while (heap.pop() !== undefined);
  for (const item of kept) heap.push(item);
}

/** Makes a companion write; false: the record that it would create exists already. */
export function applyWrite(write: StoreWrite): boolean {
  return write.apply(undefined as never); // a store in memory has no transactions
}

function count<T>(items: Iterable<T>, test: (item: T) => boolean): number {
  let n = 0;
  for (const item of items) if (test(item)) n++;
  return n;
}
