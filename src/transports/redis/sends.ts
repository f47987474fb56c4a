// Sending: what was asked for in one turn of the event loop goes out in one script call; several calls may be under way.
import { type RedisConnection, ReplyLost } from '../../clients/redis/connection.ts';
import { BrokerUnavailable, SendUnconfirmed, StoreError } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { PublishOptions } from '../transport.ts';
import { consumersKey } from './keys.ts';
import { sendScript } from './lua/send.ts';

/** One message for the script. */
export interface Outgoing {
  readonly id: string;
  readonly args: readonly string[];
}

interface Send {
  readonly messages: readonly Outgoing[];
  readonly until: number;
  readonly signal: AbortSignal | undefined;
  done(): void;
  failed(error: unknown): void;
}

export const defaultSendTimeoutMs = 10_000;
const most = 200;
const mostBytes = 1_000_000;

export class Sends {
  readonly #connection: RedisConnection;
  readonly #clock: Clock;
  readonly #prefix: string;
  #queue: Send[] = [];
  #scheduled = false;

  constructor(connection: RedisConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#prefix = connection.settings.keyPrefix;
  }

  /** @throws BrokerUnavailable, SendUnconfirmed, StoreError, or the signal's reason */
  send(messages: readonly Outgoing[], { timeoutMs, signal }: PublishOptions = {}): Promise<void> {
    if (messages.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const until = this.#clock.monotonic() + (timeoutMs ?? defaultSendTimeoutMs);
      this.#queue.push({ messages, until, signal, done: resolve, failed: reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // Calls that were made together come to here together, one microtask after the other.
      queueMicrotask(() => {
        this.#scheduled = false;
        this.#flush();
      });
    });
  }

  #flush(): void {
    let batch: Send[] = [];
    let count = 0;
    let bytes = 0;
    for (const send of this.#queue.splice(0)) {
      batch.push(send);
      count += send.messages.length;
      for (const { args } of send.messages) for (const arg of args) bytes += arg.length;
      if (count < most && bytes < mostBytes && send.signal === undefined) continue;
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
      // A send of many messages travels in several calls: what a script does at once keeps Redis from others.
      const results: unknown[] = [];
      for (const part of parts(messages))
        results.push(...(await this.#ask(part, until, batch.at(-1)?.signal)));
      let at = 0;
      for (const { messages, done, failed } of batch) {
        const problem = results
          .slice(at, at + messages.length)
          .map(String)
          .find((each) => each.length > 1);
        at += messages.length;
        if (problem === undefined) done();
        else failed(new StoreError(`Redis did not take a message: ${problem}`));
      }
    } catch (error) {
      for (const { messages, failed } of batch) {
        const unknown = error instanceof Unknown;
        const ids = messages.map(({ id }) => id);
        failed(unknown ? new SendUnconfirmed(ids, error.message, { cause: error.cause }) : error);
      }
    }
  }

  /** Repeats it as long as it may: what was done is not done twice. */
  async #ask(
    messages: readonly Outgoing[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    const { db } = this.#connection.settings;
    const args = [this.#prefix, String(db)];
    for (const message of messages) for (const arg of message.args) args.push(arg);
    let doubt: unknown = null;
    for (let failures = 0; ; failures++) {
      const timeoutMs = Math.max(1, until - this.#clock.monotonic());
      try {
        const reply = await this.#connection.run(sendScript, [consumersKey(this.#prefix)], args, {
          timeoutMs,
          signal,
        });
        return Array.isArray(reply) ? reply : [];
      } catch (error) {
        const unknown: boolean = error instanceof ReplyLost || doubt !== null;
        if (error instanceof ReplyLost) doubt = error;
        else if (!unknown || !(error instanceof BrokerUnavailable))
          throw unknown ? new Unknown(error) : error;
        const waitMs = backoffDelay(patience, failures);
        if (signal?.aborted || this.#clock.monotonic() + waitMs >= until) throw new Unknown(doubt);
        await this.#clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }
}

class Unknown extends Error {
  constructor(cause: unknown) {
    super('Redis did not answer', { cause });
  }
}

function* parts(messages: readonly Outgoing[]): Generator<readonly Outgoing[]> {
  for (let from = 0; from < messages.length; from += most) yield messages.slice(from, from + most);
}

const patience = { factor: 25, maximum: 500, jitter: true } as const;
