// The latest tasks of a cluster, in columns: an object for each of 100,000 tasks takes three times the memory, and each event would make it anew.
import type { WireEvent } from '../protocol/event.ts';
import { cut, isLate, isNumber, kinds, longestName, type MonitoredTask, text } from './monitored-task.ts';
import { SharedTexts } from './shared-texts.ts';

/** Columns of numbers. */
const numbers = {
  timestamp: 0,
  clock: 1,
  sent: 2,
  received: 3,
  started: 4,
  succeeded: 5,
  failed: 6,
  retried: 7,
  revoked: 8,
  rejected: 9,
  runtime: 10,
  retries: 11,
} as const;
const numbersEach = Object.keys(numbers).length;
/** Columns of texts that many tasks share. */
const shares = { state: 0, name: 1, queue: 2, routingKey: 3, worker: 4, client: 5 } as const;
const sharesEach = Object.keys(shares).length;

/** Each task has its own. */
interface OwnTexts {
  readonly args: string | null;
  readonly kwargs: string | null;
  readonly result: string | null;
  readonly exception: string | null;
  readonly traceback: string | null;
  readonly eta: string | null;
  readonly expires: string | null;
}

const noTexts: OwnTexts = {
  args: null,
  kwargs: null,
  result: null,
  exception: null,
  traceback: null,
  eta: null,
  expires: null,
};
/** The approximate size of a task without its texts, bytes. */
const bytesEach = 240;
const none = -1;

/** Tasks by id, in the order of their last events. */
export class TaskTable {
  readonly #rows = new Map<string, number>();
  readonly #shared = new SharedTexts();
  #numbers = new Float64Array(0);
  #shares = new Int32Array(0);
  /** The row whose last event is the next newer or the next older one. */
  #newer = new Int32Array(0);
  #older = new Int32Array(0);
  /** The size of each task, bytes, as it is counted in `#bytes`. */
  #sizes = new Int32Array(0);
  readonly #ids: string[] = [];
  readonly #roots: (string | null)[] = [];
  readonly #parents: (string | null)[] = [];
  readonly #texts: OwnTexts[] = [];
  /** Rows of dropped tasks. */
  readonly #free: number[] = [];
  #newest = none;
  #oldest = none;
  #bytes = 0;

  get size(): number {
    return this.#rows.size;
  }

  /** The approximate size of all tasks, bytes. A text that many of them share counts once. */
  get bytes(): number {
    return this.#bytes + this.#shared.bytes;
  }

  /** Adds an event of a task. */
  add(uuid: string, event: WireEvent): void {
    const known = this.#rows.get(uuid);
    const row = known ?? this.#addRow(uuid);
    if (known !== undefined) this.#unlink(row);
    this.#link(row);
    this.#merge(row, event);
    this.#setSize(row, this.#sizeOf(row));
  }

  get(uuid: string): MonitoredTask | undefined {
    const row = this.#rows.get(uuid);
    return row === undefined ? undefined : this.#task(row);
  }

  /** The task with the newest event first. An event that is added meanwhile may change the order. */
  *newestFirst({
    name,
    worker,
    state,
  }: Partial<Record<'name' | 'worker' | 'state', string>>): Generator<MonitoredTask, void> {
    for (let row = this.#newest; row !== none; row = this.#older[row] ?? none) {
      if (name !== undefined && this.#share(row, 'name') !== name) continue;
      if (worker !== undefined && this.#share(row, 'worker') !== worker) continue;
      if (state !== undefined && this.#share(row, 'state') !== state) continue;
      yield this.#task(row);
    }
  }

  names(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const row of this.#rows.values()) {
      const name = this.#share(row, 'name');
      if (name !== null) names.add(name);
    }
    return names;
  }

  /** Drops the task whose last event is the oldest. */
  dropOldest(): void {
    const row = this.#oldest;
    const uuid = this.#ids[row];
    if (uuid === undefined) return;
    this.#setSize(row, 0);
    this.#unlink(row);
    this.#rows.delete(uuid);
    for (let at = row * sharesEach; at < (row + 1) * sharesEach; at++) this.#setShare(at, null);
    this.#ids[row] = '';
    this.#roots[row] = null;
    this.#parents[row] = null;
    this.#texts[row] = noTexts;
    this.#free.push(row);
  }

  #addRow(uuid: string): number {
    const row = this.#free.pop() ?? this.#ids.length;
    if (row >= this.#newer.length) this.#grow();
    this.#rows.set(uuid, row);
    this.#ids[row] = uuid;
    this.#roots[row] = null;
    this.#parents[row] = null;
    this.#texts[row] = noTexts;
    this.#numbers.fill(Number.NaN, row * numbersEach, (row + 1) * numbersEach);
    this.#shares.fill(none, row * sharesEach, (row + 1) * sharesEach);
    this.#setNumber(row, 'timestamp', 0);
    this.#setNumber(row, 'clock', 0);
    this.#setShare(row * sharesEach + shares.state, 'PENDING');
    return row;
  }

  #grow(): void {
    const rows = Math.max(1_000, Math.ceil(this.#newer.length * 1.5));
    this.#numbers = grown(this.#numbers, new Float64Array(rows * numbersEach));
    this.#shares = grown(this.#shares, new Int32Array(rows * sharesEach));
    this.#newer = grown(this.#newer, new Int32Array(rows));
    this.#older = grown(this.#older, new Int32Array(rows));
    this.#sizes = grown(this.#sizes, new Int32Array(rows));
  }

  /** Makes it the newest. */
  #link(row: number): void {
    this.#older[row] = this.#newest;
    this.#newer[row] = none;
    if (this.#newest === none) this.#oldest = row;
    else this.#newer[this.#newest] = row;
    this.#newest = row;
  }

  #unlink(row: number): void {
    const [newer, older] = [this.#newer[row] ?? none, this.#older[row] ?? none];
    if (newer === none) this.#newest = older;
    else this.#older[newer] = older;
    if (older === none) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  #merge(row: number, event: WireEvent): void {
    const { type, timestamp, clock } = event;
    const kind = kinds[type];
    const state = kind?.[0] ?? cut(type.slice('task-'.length).toUpperCase(), longestName);
    if (!isLate(this.#share(row, 'state') ?? '', state))
      this.#setShare(row * sharesEach + shares.state, state);
    this.#setNumber(row, 'timestamp', Math.max(this.#number(row, 'timestamp') ?? 0, timestamp));
    this.#setNumber(row, 'clock', Math.max(this.#number(row, 'clock') ?? 0, clock));
    if (kind !== undefined) this.#setNumber(row, kind[1], timestamp);
    if (isNumber(event.runtime)) this.#setNumber(row, 'runtime', event.runtime);
    if (isNumber(event.retries)) this.#setNumber(row, 'retries', event.retries);
    this.#told(row, 'name', event.name);
    this.#told(row, 'queue', event.queue);
    this.#told(row, 'routingKey', event.routing_key);
    if (type === 'task-sent') this.#told(row, 'client', event.hostname);
    else if (event.hostname !== '') this.#told(row, 'worker', event.hostname);
    this.#roots[row] = this.#id(event.root_id) ?? this.#roots[row] ?? null;
    this.#parents[row] = this.#id(event.parent_id) ?? this.#parents[row] ?? null;
    const before = this.#texts[row] ?? noTexts;
    const { args, kwargs, result, exception, traceback, eta, expires } = event;
    if ([args, kwargs, result, exception, traceback, eta, expires].some((each) => typeof each === 'string'))
      this.#texts[row] = {
        args: text(args) ?? before.args,
        kwargs: text(kwargs) ?? before.kwargs,
        result: text(result) ?? before.result,
        exception: text(exception) ?? before.exception,
        traceback: text(traceback) ?? before.traceback,
        eta: text(eta) ?? before.eta,
        expires: text(expires) ?? before.expires,
      };
  }

  /** Most tasks are their own root, or have one that is here: its id is held once. */
  #id(value: unknown): string | null {
    const id = text(value);
    const row = id === null ? undefined : this.#rows.get(id);
    return row === undefined ? id : (this.#ids[row] ?? id);
  }

  #told(row: number, field: keyof typeof shares, value: unknown): void {
    const told = text(value);
    if (told !== null) this.#setShare(row * sharesEach + shares[field], told);
  }

  #share(row: number, field: keyof typeof shares): string | null {
    const number = this.#shares[row * sharesEach + shares[field]] ?? none;
    return number === none ? null : this.#shared.text(number);
  }

  /** `at`: where it is in `#shares`. */
  #setShare(at: number, value: string | null): void {
    const before = this.#shares[at] ?? none;
    this.#shares[at] = value === null ? none : this.#shared.use(value);
    if (before !== none) this.#shared.release(before);
  }

  #number(row: number, field: keyof typeof numbers): number | null {
    const value = this.#numbers[row * numbersEach + numbers[field]] ?? Number.NaN;
    return Number.isNaN(value) ? null : value;
  }

  #setNumber(row: number, field: keyof typeof numbers, value: number): void {
    this.#numbers[row * numbersEach + numbers[field]] = value;
  }

  #setSize(row: number, bytes: number): void {
    this.#bytes += bytes - (this.#sizes[row] ?? 0);
    this.#sizes[row] = bytes;
  }

  #sizeOf(row: number): number {
    const uuid = this.#ids[row] ?? '';
    let characters = uuid.length;
    for (const id of [this.#roots[row], this.#parents[row]])
      if (typeof id === 'string' && !this.#rows.has(id)) characters += id.length;
    const texts = this.#texts[row] ?? noTexts;
    if (texts !== noTexts)
      for (const value of Object.values(texts)) if (typeof value === 'string') characters += value.length;
    return bytesEach + 2 * characters;
  }

  #task(row: number): MonitoredTask {
    const { args, kwargs, result, exception, traceback, eta, expires } = this.#texts[row] ?? noTexts;
    return {
      uuid: this.#ids[row] ?? '',
      state: this.#share(row, 'state') ?? 'PENDING',
      name: this.#share(row, 'name'),
      args,
      kwargs,
      result,
      exception,
      traceback,
      runtime: this.#number(row, 'runtime'),
      retries: this.#number(row, 'retries'),
      eta,
      expires,
      rootId: this.#roots[row] ?? null,
      parentId: this.#parents[row] ?? null,
      queue: this.#share(row, 'queue'),
      routingKey: this.#share(row, 'routingKey'),
      worker: this.#share(row, 'worker'),
      client: this.#share(row, 'client'),
      sent: this.#number(row, 'sent'),
      received: this.#number(row, 'received'),
      started: this.#number(row, 'started'),
      succeeded: this.#number(row, 'succeeded'),
      failed: this.#number(row, 'failed'),
      retried: this.#number(row, 'retried'),
      revoked: this.#number(row, 'revoked'),
      rejected: this.#number(row, 'rejected'),
      timestamp: this.#number(row, 'timestamp') ?? 0,
      clock: this.#number(row, 'clock') ?? 0,
    };
  }
}

function grown<Column extends Float64Array | Int32Array>(column: Column, larger: Column): Column {
  larger.set(column);
  return larger;
}
