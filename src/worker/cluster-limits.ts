// Limits that all workers share: a run takes a permit before it begins, and gives it back when its code has ended.
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { App } from '../app/app.ts';
import type { AnyTask } from '../app/task.ts';
import { type ClusterLimit, keyValue, readQueueLimits } from '../config/limit-options.ts';
import { ConfigError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Grant, LimitAsk, Limits, WaitingMessage } from '../stores/limits.ts';
import type { Transport } from '../stores/transport.ts';
import type { Settler } from './settler.ts';

interface ClusterLimitsParts {
  readonly app: App;
  /** Node name. */
  readonly name: string;
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
  readonly settler: Settler;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The limits that one run holds. */
export interface Permit {
  readonly token: string;
  readonly asks: readonly LimitAsk[];
}

/** A waiting message is notified when a permit is free. Should the notification be lost, it asks again after this time (milliseconds), which grows with the wait queue. */
const line = { baseMs: 10_000, perMs: 100, capMs: 600_000 } as const;
/** In a store without notifications each message asks again by itself, after pauses that grow. */
const poll = { firstMs: 500, growth: 1.5, capMs: 30_000 } as const;
/** A notified message may not be in the schedule yet: it is looked for after each of these pauses, milliseconds. */
const pollIntervalMs: readonly number[] = [0, 30, 100, 300, 1000];
const maxRefused = 10_000;

export class ClusterLimits {
  readonly #parts: ClusterLimitsParts;
  readonly #ofQueues: ReadonlyMap<string, readonly ClusterLimit[]>;
  /** How often a message was refused, in a store without notifications. */
  readonly #refused = new Map<string, number>();
  #limits: Promise<Limits> | null = null;
  readonly #closing = new AbortController();

  /** @throws ConfigError when there are such limits, and no store can keep them */
  constructor(parts: ClusterLimitsParts) {
    this.#parts = parts;
    const { app, transport, backend } = parts;
    setMaxListeners(0, this.#closing.signal); // each notified message listens to it
    this.#ofQueues = readQueueLimits(app.config.queueLimits);
    if (transport.openLimits !== undefined || backend?.openLimits !== undefined) return;
    const limited = app.tasks.names().find((name) => (app.tasks.get(name)?.options.limits.length ?? 0) > 0);
    const [queue] = this.#ofQueues.keys();
    if (limited === undefined && queue === undefined) return;
    const subject = limited === undefined ? `the queue '${queue}'` : `the task '${limited}'`;
    throw new ConfigError(
      `${subject} has a limit for all workers together, and neither the broker (${transport.name}) nor the results (${backend?.name ?? 'none'}) can keep it: keep results in redis or sqlite, or limit each worker by itself`,
    );
  }

  /** The limits that a run of this task must take; null: none. */
  asksOf(task: AnyTask, message: TaskMessage, queue: string): readonly LimitAsk[] | null {
    const own = task.options.limits;
    if (own.length === 0 && this.#ofQueues.size === 0) return null;
    const limits = [...own, ...(this.#ofQueues.get(queue) ?? [])];
    return limits.length === 0 ? null : limits.map((limit) => this.#askOf(limit, message));
  }

  /** The permit; or when to ask again (milliseconds since 1970); or null: the worker stops, or lost the message, before the store answered. */
  async take(
    message: TaskMessage,
    queue: string,
    asks: readonly LimitAsk[],
    lost: AbortSignal,
  ): Promise<Permit | number | null> {
    const { settler, transport } = this.#parts;
    const { id } = message;
    const token = `${id}/${randomUUID()}`;
    const inLine = transport.promote !== undefined;
    const times = this.#refused.get(id) ?? 0;
    const alone = Math.min(poll.firstMs * poll.growth ** times, poll.capMs);
    const waits = inLine ? line : { baseMs: alone, perMs: 0, capMs: poll.capMs };
    let grant: Grant | undefined;
    const answered = await settler.retry('ask whether a limit lets a task run', lost, async () => {
      grant = await (await this.#open()).take({ token, id, queue, asks, waits: inLine, ...waits });
    });
    if (!answered || grant === undefined) {
      this.release({ token, asks }); // the store may have granted it
      return null;
    }
    if (grant.granted) {
      this.#refused.delete(id);
      return { token, asks };
    }
    if (!inLine) this.#countRefused(id, times + 1);
    return grant.untilMs;
  }

  release({ token, asks }: Permit): void {
    // A rate is not given back.
    if (asks.every(({ kind }) => kind === 'rate')) return;
    void this.#limits?.then(
      (limits) => limits.release(token, asks),
      () => undefined,
    );
  }

  /** Overrides a limit for all workers; null: no limit. */
  async override(kind: LimitAsk['kind'], name: string, limit: number | null): Promise<void> {
    await (await this.#open()).override(kind, name, limit);
  }

  /** Gives back all permits. Never rejects. */
  async close(): Promise<void> {
    this.#closing.abort();
    const limits = await this.#limits?.catch(() => undefined);
    await limits?.close().catch(() => undefined);
  }

  #open(): Promise<Limits> {
    const { transport, backend, leaseMs, name } = this.#parts;
    const options = { leaseMs, name, onFree: (waiters: readonly WaitingMessage[]) => this.#call(waiters) };
    this.#limits ??= (
      transport.openLimits?.(options) ??
      backend?.openLimits?.(options) ??
      Promise.reject(new ConfigError('there is no store that could keep limits'))
    ).catch((error: unknown) => {
      this.#limits = null;
      throw error;
    });
    return this.#limits;
  }

  #askOf({ kind, name, limit, burst, key }: ClusterLimit, { args, kwargs, id, task }: TaskMessage): LimitAsk {
    let value = '';
    try {
      value = keyValue(key, args, kwargs);
    } catch (error) {
      this.#parts.logger.warn(
        { err: error, task_id: id, task_name: task },
        `the key of a limit of ${task} cannot be read from its call, which counts with those that have none: ${String(error)}`,
      );
    }
    return { kind, name, key: value === '' ? name : `${name}|${value}`, limit, burst };
  }

  /** Promotes the messages that were notified. If a message is gone (revoked, expired, run by now), the next one is notified. */
  #call(waiters: readonly WaitingMessage[]): void {
    for (const waiter of waiters) void this.#callOne(waiter);
  }

  async #callOne(waiter: WaitingMessage): Promise<void> {
    const { transport, clock } = this.#parts;
    for (const delayMs of pollIntervalMs) {
      try {
        if (delayMs > 0) await clock.sleep(delayMs, this.#closing.signal);
        const found = await transport.promote?.(waiter.queue, [waiter.due]);
        if (found === undefined || found > 0) return;
      } catch {
        if (this.#closing.signal.aborted) return; // it becomes due by itself
      }
    }
    (await this.#limits?.catch(() => undefined))?.cancelWait(waiter);
  }

  #countRefused(id: string, times: number): void {
    this.#refused.delete(id);
    this.#refused.set(id, times);
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= maxRefused) break;
      this.#refused.delete(oldest);
    }
  }
}
