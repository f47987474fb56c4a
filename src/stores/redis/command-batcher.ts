// Sends a consumer's operations: those that were asked for meanwhile go out as one script call. Two calls may be under way, so that the server
// works on one while this process handles the answer to the other.

import batchLua from 'lua:./lua/batch.lua';
import { BrokerUnavailable, StoreError } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EntryFrame } from '../history-stream.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import type { RedisArgument } from './client/resp.ts';
import type { RedisHistoryWrite } from './history-write.ts';
import { claimedKey, consumerKey, consumersKey } from './keys.ts';
import { namedRefusal } from './rights.ts';
import { luaScript, spareTags } from './scripts.ts';

/** A claimed message, as it is stored. */
export interface ClaimedMessage {
  /** Its field among the consumer's claims: `tag:step:queue`. */
  readonly field: string;
  readonly queue: string;
  readonly stored: Buffer;
}

/** What a claim may take: a quarantined message alone, or others (`n`); a quarantined message beside held ones (`b`); others only (`o`). */
export type ClaimMode = 'n' | 'b' | 'o';

export interface Claimed {
  readonly messages: readonly ClaimedMessage[];
  /** More was not taken because of quarantined messages: one is held alone, or waits. */
  readonly heldBack: boolean;
}

export interface ClaimRequest {
  /** How many messages are wanted: called when the call goes out. */
  readonly count: () => number;
  /** The mode (see the script): called when the call goes out. */
  readonly mode: () => ClaimMode;
  /**
   * In the order of urgency: the list, its suffix `:step:queue`, and whether a blocking read may have taken a message from it whose answer was
   * lost (`1`): that message is claimed, too.
   */
  readonly lists: readonly (readonly [key: string, suffix: string, recover: '0' | '1'])[];
}

interface Operation {
  /** A claim's arguments are made when the call goes out. */
  args: readonly string[];
  readonly claim: (() => readonly string[]) | null;
  /** What it tells the history in a frame, which a call names once for all operations in a row that have it. */
  readonly told: RedisHistoryWrite | null;
  /** `letter` is empty for a claim; `!`: the consumer is not registered any more. */
  done(letter: string, claimed: Claimed, error: string | undefined): void;
  failed(error: unknown): void;
}

/** The largest number of operations in a call: the script must not keep Redis from others for long. */
const maxOperations = 256;
const maxBytes = 2_000_000;
const maxClaimed = 500;
/** How long a lazy operation may wait, milliseconds. */
const soonMs = 20;
/** This number of operations is sent at once, without waiting for the end of the event loop's turn. */
const flushAt = 64;
/** A second call is sent for this number of operations while one is under way; fewer wait for its answer. */
const minOperations = 8;

/** The place of the records of ended tasks, and how long they are kept, milliseconds. */
interface RecordPlace {
  readonly db: string;
  readonly ttl: string;
}

/** A call under way. */
interface Batch {
  /** Resolves when there is an answer, or there will be none. */
  over: Promise<void>;
  /** Its answer was lost, or it could not be sent: it is sent again, and later calls must stay behind it. */
  delayed: boolean;
}

/** It has a queue of its own instead of a batcher of `lib/batch.ts`: calls are numbered, two may be under way, and a settlement costs no promise. */
export class CommandBatcher {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #onEvicted: (id: string) => void;
  readonly #onRefused: (reason: string | null) => void;
  readonly #isBusy: () => boolean;
  readonly #abandoned = new AbortController();
  #id = '';
  #batchNumber = 0;
  #tag = 0;
  #records: RecordPlace | null = null;
  #queue: Operation[] = [];
  /** In the order in which they were sent. */
  readonly #inFlight: Batch[] = [];
  #scheduled = false;
  #lazily: NodeJS.Timeout | null = null;
  #idle: (() => void)[] = [];
  /** Why the server refuses a call that is repeated; null: it does not, as far as was reported. */
  #refusal: string | null = null;

  /**
   * `isBusy`: more operations will follow in this turn of the event loop, so that waiting is worthwhile. `onRefused`: called once with the reason
   * why a call waits, and once with null when that is over.
   */
  constructor(
    connection: RedisConnection,
    clock: Clock,
    isBusy: () => boolean,
    onEvicted: (id: string) => void,
    onRefused: (reason: string | null) => void,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#prefix = connection.settings.keyPrefix;
    this.#isBusy = isBusy;
    this.#onEvicted = onEvicted;
    this.#onRefused = onRefused;
  }

  /** Begins for this consumer. Waiting operations were for its former id, and fail. */
  begin(id: string): void {
    this.#failQueued();
    this.#id = id;
    this.#batchNumber = 0;
  }

  /** A new field for a message of this list. */
  field(suffix: string): string {
    return this.#tag++ + suffix;
  }

  /** Whether the records of ended tasks go to this place: it is named once in each call, not with each record. */
  keepsRecordsAt(db: string, ttl: string): boolean {
    this.#records ??= { db, ttl };
    return this.#records.db === db && this.#records.ttl === ttl;
  }

  /**
   * Does one operation. False: the consumer was evicted before, nothing was done.
   * @throws BrokerUnavailable: nothing was done, and it may be tried again
   */
  do(...args: readonly string[]): Promise<boolean> {
    return new Promise((resolve, reject) => this.order(args, resolve, reject));
  }

  /** The same with callbacks instead of a promise, since each task needs it. `evicted`: not done, the consumer is not registered any more. */
  order(
    args: readonly string[],
    done: (ours: boolean, evicted: boolean) => void,
    failed: (error: unknown) => void,
    // It may wait for others, some milliseconds.
    lazily = false,
    // Of an operation `H`: its entry, for the frame and the limit.
    told: RedisHistoryWrite | null = null,
  ): void {
    const onReply = (letter: string, _: Claimed, error: string | undefined): void => {
      if (letter === 'e') failed(this.#connection.refusedWithin('a settlement', error ?? 'it failed'));
      else done(letter === '1', letter === '!');
    };
    this.#add({ args, claim: null, told, done: onReply, failed }, lazily);
  }

  /** Claims messages that are there now; null: the consumer was evicted before. @throws BrokerUnavailable */
  claim(request: ClaimRequest): Promise<Claimed | null> {
    const { mode, lists } = request;
    let base = 0;
    const write = (): readonly string[] => {
      const count = Math.min(maxClaimed, Math.max(0, request.count()));
      base = this.#tag;
      this.#tag += count + spareTags;
      return ['C', String(count), mode(), String(base), String(lists.length), ...lists.flat()];
    };
    return new Promise((resolve, reject) => {
      this.#add({
        args: [],
        claim: write,
        told: null,
        done: (letter, { messages, heldBack }, error) => {
          if (letter === '!') resolve(null);
          else if (error !== undefined && messages.length === 0)
            reject(this.#connection.refusedWithin('a claim', error));
          else
            resolve({
              messages: messages.map((each, n) => ({ ...each, field: base + n + each.field })),
              heldBack,
            });
        },
        failed: reject,
      });
    });
  }

  /** Resolves when no call is under way. */
  async settled(): Promise<void> {
    this.#send();
    if (this.#inFlight.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Gives up: calls under way and waiting operations fail. */
  abandon(): void {
    this.#abandoned.abort();
  }

  #add(operation: Operation, lazily = false): void {
    this.#queue.push(operation);
    if (this.#scheduled || !this.#maySend()) return;
    if (this.#queue.length >= flushAt) this.#send();
    else if (lazily) this.#lazily ??= setTimeout(this.#flush, soonMs);
    else {
      this.#scheduled = true;
      if (this.#isBusy()) setImmediate(this.#flush);
      else queueMicrotask(this.#flush);
    }
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#send();
  };

  #maySend(): boolean {
    const [first, second] = this.#inFlight;
    if (first === undefined) return true;
    return second === undefined && !first.delayed && this.#connection.state.connected;
  }

  #send(): void {
    if (this.#lazily !== null) clearTimeout(this.#lazily);
    this.#lazily = null;
    while (this.#queue.length > 0 && this.#maySend()) {
      if (this.#inFlight.length > 0 && this.#queue.length < minOperations && !this.#queue.some(isClaim))
        return;
      const batch: Batch = { over: Promise.resolve(), delayed: false };
      batch.over = this.#execute(batch, this.#next(), this.#inFlight[0]);
      this.#inFlight.push(batch);
    }
  }

  async #execute(batch: Batch, operations: readonly Operation[], before: Batch | undefined): Promise<void> {
    const id = this.#id;
    try {
      this.#dispatch(id, operations, await this.#ask(batch, operations, before));
    } catch (error) {
      for (const operation of operations) operation.failed(error);
    }
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    this.#send();
    if (this.#inFlight.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The next operations that fit into one call, with at most one claim. */
  #next(): Operation[] {
    let count = 0;
    let bytes = 0;
    let claims = 0;
    for (const { args, claim } of this.#queue) {
      for (const arg of args) bytes += arg.length;
      if (count > 0 && (count === maxOperations || bytes > maxBytes || (claim !== null && claims > 0))) break;
      if (claim !== null) claims++;
      count++;
    }
    const operations = this.#queue.splice(0, count);
    for (const operation of operations) operation.args = operation.claim?.() ?? operation.args;
    return operations;
  }

  /** Sends a call until its outcome is known. */
  async #ask(
    batch: Batch,
    operations: readonly Operation[],
    before: Batch | undefined,
  ): Promise<readonly unknown[]> {
    const id = this.#id;
    const { db, ttl } = this.#records ?? { db: '', ttl: '' };
    const args = [
      this.#prefix,
      String(this.#connection.settings.db),
      id,
      String(++this.#batchNumber),
      db,
      ttl,
    ];
    let frame: EntryFrame | null = null;
    for (const operation of operations) {
      const { told } = operation;
      if (told !== null && told.frame !== null && told.frame !== frame) {
        frame = told.frame;
        args.push('F', told.limit, frame.start, frame.end);
      }
      for (const arg of operation.args) args.push(arg);
    }
    const keys: RedisArgument[] = [consumersKey(this.#prefix)];
    // A task whose message is being adopted runs already. Without a retry its message would be delivered again, though our lease holds.
    let mustRetry = operations.some(({ args: [letter] }) => letter === 'A');
    // Not `retrying`: before a repetition it waits for the call before, and it says what the server refuses.
    for (let failures = 0; ; failures++) {
      try {
        const reply = await this.#connection.run(luaScript(batchLua), keys, args, { buffers: true });
        if (!Array.isArray(reply)) throw new StoreError('Redis: the answer of a script is not a list');
        if (this.#refusal !== null) await this.#reportRefusal(null);
        return id === this.#id ? reply : [Buffer.from('!')];
      } catch (error) {
        if (isOfWrongType(error)) throw this.#outOfOrder(id, error);
        if (error instanceof ReplyLost) mustRetry = true;
        else if (!mustRetry || !(error instanceof BrokerUnavailable)) throw error;
        batch.delayed = true;
        // The connection reports that the server is away.
        if (error instanceof BrokerUnavailable && this.#connection.state.connected)
          await this.#reportRefusal(error);
        // The call before may have claimed what this one settles.
        await before?.over;
        if (this.#abandoned.signal.aborted)
          throw new BrokerUnavailable('the consumer was closed before Redis answered', { cause: error });
        await this.#clock
          .sleep(backoffDelay(retryPolicy, failures), this.#abandoned.signal)
          .catch(() => undefined);
      }
    }
  }

  async #reportRefusal(error: BrokerUnavailable | null): Promise<void> {
    const refusal = error?.message ?? null;
    if (refusal === this.#refusal) return;
    this.#refusal = refusal;
    this.#onRefused(error === null ? null : await namedRefusal(this.#connection, error));
  }

  /** The whole batch is refused because of one of these keys. Nothing of it was done; it can be done when the key is repaired. */
  #outOfOrder(id: string, error: Error): BrokerUnavailable {
    const { shown } = this.#connection.settings;
    const keys = [consumersKey(this.#prefix), consumerKey(this.#prefix, id), claimedKey(this.#prefix, id)];
    return new BrokerUnavailable(
      `${shown}: one of the keys '${keys.join("', '")}' holds another type than ours: RENAME it (umbel doctor names it)`,
      { cause: error },
    );
  }

  #dispatch(id: string, operations: readonly Operation[], reply: readonly unknown[]): void {
    const letters = String(reply[0]);
    if (letters === '!') {
      this.#onEvicted(id);
      for (const { done } of operations) done('!', nothing, undefined);
      return;
    }
    const messages: ClaimedMessage[] = [];
    let heldBack = false;
    const end = 2 + Number(reply[1]);
    let at = 2;
    while (at < end) {
      const suffix = String(reply[at++]);
      heldBack ||= suffix === '?';
      const queue = suffix.slice(suffix.indexOf(':', 1) + 1);
      for (let count = Number(reply[at++]); count > 0; count--) {
        const stored = reply[at++];
        if (Buffer.isBuffer(stored)) messages.push({ field: suffix, queue, stored });
      }
    }
    const refused = String(reply[end]);
    const errors = reply.slice(end + 1).map(String);
    let letter = 0;
    for (const { claim, done } of operations) {
      if (claim !== null) done('', { messages, heldBack }, refused === '' ? undefined : refused);
      else done(letters[letter] ?? '0', nothing, letters[letter++] === 'e' ? errors.shift() : undefined);
    }
  }

  /** Waiting operations are not for the next consumer. */
  #failQueued(): void {
    for (const { done } of this.#queue.splice(0)) done('!', nothing, undefined);
  }
}

function isOfWrongType(error: unknown): error is StoreError {
  return (
    error instanceof StoreError && error.cause instanceof Error && /\bWRONGTYPE\b/.test(error.cause.message)
  );
}

const nothing: Claimed = { messages: [], heldBack: false };

function isClaim({ claim }: Operation): boolean {
  return claim !== null;
}

const retryPolicy = { factor: 50, maximum: 1000, jitter: true } as const;
