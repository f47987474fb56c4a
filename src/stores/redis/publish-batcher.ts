// Sends messages: those of one turn of the event loop go out in one script call; several calls may be under way.

import sendLua from 'lua:./lua/send.lua';
import { BrokerUnavailable, SendUnconfirmed } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import type { RedisHistoryWrite } from './history-write.ts';
import { consumersKey } from './keys.ts';
import type { RedisRecordWrite } from './record-write.ts';
import { luaScript } from './scripts.ts';

/** A message to send. */
export interface RedisPublication {
  readonly id: string;
  /** The note that it was sent: the record of its result, or a key that is kept for this number of milliseconds. */
  readonly mark: RedisRecordWrite['args'] | readonly [key: string, ms: string];
  /** The lists that it is pushed to. */
  readonly lists: readonly { readonly queue: string; readonly step: number }[];
  readonly stored: string;
  /** What the history is told, if it is sent now. */
  readonly history: RedisHistoryWrite | null;
}

interface Send {
  readonly messages: readonly RedisPublication[];
  readonly until: number;
  readonly signal: AbortSignal | undefined;
  done(): void;
  failed(error: unknown): void;
}

export const defaultSendTimeoutMs = 10_000;
/** How many sends of one turn go out at once, so that Redis works on them while this process makes the next. */
const maxSends = 32;
/** The messages of one script call. */
const maxMessages = 200;
const maxBytes = 1_000_000;

export class PublishBatcher {
  readonly #connection: RedisConnection;
  readonly #clock: Clock;
  readonly #prefix: string;
  // Calls that were made together come to `send` together, one microtask after the other.
  readonly #batcher = new MicroBatcher<Send>((sends) => this.#flush(sends), queueMicrotask, maxSends);

  constructor(connection: RedisConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#prefix = connection.settings.keyPrefix;
  }

  /**
   * `until`: the deadline, on the monotonic clock.
   * @throws BrokerUnavailable, SendUnconfirmed, StoreError, or the signal's reason
   */
  send(messages: readonly RedisPublication[], until: number, signal?: AbortSignal): Promise<void> {
    if (messages.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#batcher.add({ messages, until, signal, done: resolve, failed: reject });
    });
  }

  #flush(sends: readonly Send[]): void {
    let batch: Send[] = [];
    let count = 0;
    let bytes = 0;
    for (const send of sends) {
      batch.push(send);
      count += send.messages.length;
      for (const { stored } of send.messages) bytes += stored.length;
      if (count < maxMessages && bytes < maxBytes && send.signal === undefined) continue;
      void this.#carryOut(batch);
      batch = [];
      count = 0;
      bytes = 0;
    }
    if (batch.length > 0) void this.#carryOut(batch);
  }

  async #carryOut(batch: readonly Send[]): Promise<void> {
    const messages = batch.flatMap((send) => send.messages);
    const until = Math.min(...batch.map((send) => send.until));
    try {
      const results = await this.#askAll(messages, until, batch.at(-1)?.signal);
      let at = 0;
      for (const { messages, done, failed } of batch) {
        const problem = problemIn(results, at, messages.length);
        at += messages.length;
        if (problem === null) done();
        else failed(this.#connection.refusedWithin('a message', problem));
      }
    } catch (error) {
      for (const { messages, failed } of batch) {
        const unknown = error instanceof Unknown;
        const ids = messages.map(({ id }) => id);
        failed(unknown ? new SendUnconfirmed(ids, error.message, { cause: error.cause }) : error);
      }
    }
  }

  /** A large batch travels in several calls, so that no script keeps Redis from others for long. */
  #askAll(
    messages: readonly RedisPublication[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    if (messages.length <= maxMessages) return this.#ask(messages, until, signal);
    const parts = chunksOf(messages, maxMessages, Number.POSITIVE_INFINITY, () => 1);
    return allOf(parts.map((part) => this.#ask(part, until, signal))).then((all) => all.flat());
  }

  /** Repeats the call until the deadline: a message that was sent is not sent twice. */
  async #ask(
    messages: readonly RedisPublication[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    const { db } = this.#connection.settings;
    const args = [this.#prefix, String(db), ...toArgs(messages)];
    const leftMs = (): number => until - this.#clock.monotonic();
    const run = async (): Promise<readonly unknown[]> => {
      const limits = { timeoutMs: Math.max(1, leftMs()), signal };
      const reply = await this.#connection.run(
        luaScript(sendLua),
        [consumersKey(this.#prefix)],
        args,
        limits,
      );
      return Array.isArray(reply) ? reply : [];
    };
    let lost: unknown = null;
    // Only a lost reply is asked for again: an error before the first one says for sure that nothing was sent.
    const when = (error: unknown): boolean => {
      if (error instanceof ReplyLost) lost = error;
      return lost !== null && (error === lost || error instanceof BrokerUnavailable) && leftMs() > 0;
    };
    try {
      const reply = await retrying(run, { policy: retryPolicy, clock: this.#clock, signal, when, leftMs });
      if (reply !== null) return reply;
      throw signal?.reason;
    } catch (error) {
      throw lost === null ? error : new Unknown(error);
    }
  }
}

class Unknown extends Error {
  constructor(cause: unknown) {
    super('Redis did not answer', { cause });
  }
}

/** The first refusal among these results of the script; null: all were sent. */
function problemIn(results: readonly unknown[], from: number, count: number): string | null {
  for (let at = from; at < from + count; at++) {
    const result = String(results[at] ?? '');
    if (result.length > 1) return result;
  }
  return null;
}

/** All answers. If one of them is unknown, all are taken as unknown. */
async function allOf<T>(asked: readonly Promise<T>[]): Promise<T[]> {
  const answers = await Promise.allSettled(asked);
  const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  if (failures.length > 0) {
    const unknown = failures.find((failure) => failure instanceof Unknown);
    if (unknown !== undefined || failures.length === asked.length) throw unknown ?? failures[0];
    throw new Unknown(failures[0]);
  }
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
}

/** The arguments of the script: messages that differ only in their keys, and go to one list, are written as a group. */
function toArgs(messages: readonly RedisPublication[]): string[] {
  const alike = messages.find(isUsual)?.mark;
  const [, db = '', , json = '', ttl = ''] = alike ?? [];
  const args = [db, ttl, json];
  let counted = 0; // the index of the number of messages in the current list
  let list: { readonly queue: string; readonly step: number } | undefined;
  let count = 0;
  for (const message of messages) {
    const { mark, lists, stored } = message;
    const [first] = lists;
    if (isUsual(message) && mark[1] === db && mark[3] === json && mark[4] === ttl && first !== undefined) {
      if (list === undefined || list.queue !== first.queue || list.step !== first.step) {
        list = first;
        count = 0;
        args.push('L', first.queue, String(first.step), '');
        counted = args.length - 1;
      }
      args.push(mark[2] ?? '', stored);
      args[counted] = String(++count);
      continue;
    }
    list = undefined;
    args.push('M', mark.length === 2 ? '0' : '1', ...mark, String(lists.length));
    for (const { queue, step } of lists) args.push(queue, String(step));
    args.push(stored);
  }
  for (const [index, { history }] of messages.entries())
    if (history !== null) args.push('E', String(index + 1), history.limit, history.entry);
  return args;
}

function isUsual({ mark, lists }: RedisPublication): boolean {
  return mark.length === 5 && mark[0] === 'sent' && lists.length === 1;
}

const retryPolicy = { factor: 25, maximum: 500, jitter: true } as const;
