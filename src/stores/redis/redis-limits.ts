// Shared limits in Redis. A thread renews the holder's lease, so that code that blocks the event loop does not stop that.
import limitsLua from 'lua:./lua/limits.lua';
import { randomUUID } from 'node:crypto';
import { StoreError } from '../../errors.ts';
import { SerialBatcher } from '../../lib/batch.ts';
import type { Grant, LimitAsk, Limits, LimitsOptions, TakeRequest, WaitingMessage } from '../limits.ts';
import { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import type { RedisSettings } from './client/settings.ts';
import { LeaseRenewer } from './lease-renewer.ts';
import { luaScript } from './scripts.ts';

export async function openRedisLimits(settings: RedisSettings, options: LimitsOptions): Promise<Limits> {
  return new RedisLimits(await RedisConnection.open(settings), options);
}

type Operation =
  | ({ readonly op: 'take' } & TakeRequest)
  | { readonly op: 'release'; readonly token: string; readonly asks: readonly LimitAsk[] }
  | { readonly op: 'cancelWait'; readonly key: string; readonly id: string }
  | { readonly op: 'override'; readonly name: string; readonly value: string | false }
  | { readonly op: 'leave' };

interface Asked {
  readonly operation: Operation;
  resolve(result: number): void;
  reject(error: unknown): void;
}

interface Reply {
  readonly alive: boolean;
  /** Lua writes an empty list as an empty map. */
  readonly results?: readonly number[] | Record<string, never>;
  readonly notified: readonly WaitingMessage[] | Record<string, never>;
}

const answerMs = 10_000;
/** How many operations are one call: a script must not keep Redis from others for long. */
const maxAsked = 100;

class RedisLimits implements Limits {
  readonly #connection: RedisConnection;
  readonly #options: LimitsOptions;
  #holder: string = randomUUID();
  #isNew = true;
  readonly #batcher = new SerialBatcher<Asked>((queue) => this.#send(queue.splice(0, maxAsked)));
  #leaseRenewer: LeaseRenewer | null = null;
  #closed = false;

  constructor(connection: RedisConnection, options: LimitsOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  async take(request: TakeRequest): Promise<Grant> {
    const untilMs = await this.#ask({ op: 'take', ...request });
    return untilMs === 0 ? { granted: true } : { granted: false, untilMs };
  }

  release(token: string, asks: readonly LimitAsk[]): void {
    this.#retry({ op: 'release', token, asks });
  }

  cancelWait({ key, id }: WaitingMessage): void {
    this.#retry({ op: 'cancelWait', key, id });
  }

  async override(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void> {
    const value = limit === undefined ? false : limit === null ? '' : String(limit);
    await this.#ask({ op: 'override', name: `${kind} ${name}`, value });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const left = this.#isNew ? Promise.resolve(0) : this.#ask({ op: 'leave' });
    this.#closed = true;
    await left.catch(() => 0);
    await this.#leaseRenewer?.stop();
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask(operation: Operation): Promise<number> {
    return new Promise((resolve, reject) => this.#batcher.add({ operation, resolve, reject }));
  }

  /** A permit that is not given back would be lost until this process ends. */
  #retry(operation: Operation): void {
    this.#ask(operation).catch(() => {
      if (!this.#closed) setTimeout(() => this.#retry(operation), 500).unref();
    });
  }

  async #send(batch: readonly Asked[]): Promise<void> {
    try {
      const results = await this.#call(batch.map(({ operation }) => operation));
      for (const [index, asked] of batch.entries()) asked.resolve(results[index] ?? 0);
    } catch (error) {
      for (const asked of batch) asked.reject(error);
    }
  }

  /** A call that is repeated after a lost answer has no further effect: a token is taken once, and given back once. */
  async #call(operations: readonly Operation[]): Promise<readonly number[]> {
    const { settings } = this.#connection;
    const { keyPrefix } = settings;
    for (let tries = 0; ; tries++) {
      const isNew = this.#isNew;
      const args = [keyPrefix, this.#holder, String(this.#options.leaseMs), isNew ? '1' : '0'];
      const text = JSON.stringify(operations);
      const answer = await repeat(this.#connection, performance.now() + answerMs, (timeoutMs) =>
        this.#connection.run(luaScript(limitsLua), [`${keyPrefix}umbel:limit:holders`], [...args, text], {
          timeoutMs,
        }),
      );
      const { alive, results, notified }: Reply = JSON.parse(String(answer)); // our own script's
      this.#reportFree(notified);
      if (alive) {
        if (isNew) this.#begin();
        return Array.isArray(results) ? results : [];
      }
      if (tries > 3) throw new StoreError(`${settings.shown}: this worker is evicted again and again`);
      this.#startAnew(this.#holder);
    }
  }

  #begin(): void {
    this.#isNew = false;
    this.#leaseRenewer ??= new LeaseRenewer({
      connection: this.#connection,
      leaseMs: this.#options.leaseMs,
      onNotified: (notified) => this.#reportFree(notified),
      onEvicted: (holder) => this.#startAnew(holder),
    });
    this.#leaseRenewer.renew(this.#holder);
  }

  /** The holder was evicted: its permits are free. */
  #startAnew(holder: string): void {
    if (holder !== this.#holder) return;
    this.#holder = randomUUID();
    this.#isNew = true;
  }

  #reportFree(notified: Reply['notified']): void {
    if (Array.isArray(notified) && notified.length > 0) this.#options.onFree(notified);
  }
}
