// The transport over Redis. Data shared with Python has kombu's form; leases, schedules and dead letters have our own.
import dueCountsLua from 'lua:./lua/due-counts.lua';
import forwardLua from 'lua:./lua/forward.lua';
import peekLua from 'lua:./lua/peek.lua';
import promoteLua from 'lua:./lua/promote.lua';
import purgeLua from 'lua:./lua/purge.lua';
import sizeLua from 'lua:./lua/size.lua';
import { randomUUID } from 'node:crypto';
import { BrokerUnavailable } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import type { AuditStore } from '../audit-store.ts';
import type { HeldMessage } from '../held-messages.ts';
import type { HistoryStream, HistoryStreamOptions } from '../history-stream.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import { StatusNotifier } from '../status.ts';
import type { HealthFigure } from '../store-health.ts';
import type { TransportOptions } from '../topology.ts';
import {
  type ConsumeOptions,
  type Consumer,
  maxPeekedBytes,
  type PeekedMessage,
  type PeekOptions,
  type Publication,
  type PublishOptions,
  type QueueSize,
  type Transport,
  type TransportFeatures,
  type TransportStatus,
} from '../transport.ts';
import type { WaitingChanges } from '../waiting.ts';
import { Bindings } from './bindings.ts';
import { RedisConnection } from './client/connection.ts';
import { changing, reading } from './client/repeat.ts';
import type { RedisScript } from './client/script.ts';
import { type RedisSettings, redisSettings } from './client/settings.ts';
import { historyOf } from './history-write.ts';
import { consumersKey, sentKey, stepOf } from './keys.ts';
import { defaultSendTimeoutMs, PublishBatcher, type RedisPublication } from './publish-batcher.ts';
import type { AddressedMessage } from './queue-lists.ts';
import { maxReadMs } from './read-time.ts';
import { recordOf } from './record-args.ts';
import { splitMetadata } from './redelivery-metadata.ts';
import type { RedisConsumer } from './redis-consumer.ts';
import { RedisDeadLetters } from './redis-dead-letters.ts';
import { RedisFanout, RedisRevocations } from './redis-fanout.ts';
import { luaScript } from './scripts.ts';

/** @throws ConfigError for a URL or option that is not understood. Does not wait for the server. */
export async function openRedisTransport(
  url: string,
  { queues, driver }: TransportOptions,
  clock: Clock = systemClock,
): Promise<RedisTransport> {
  const settings = redisSettings(url, 'broker', driver);
  return new RedisTransport(await RedisConnection.open(settings), queues, clock);
}

export class RedisTransport implements Transport {
  readonly name = 'redis';
  readonly features: TransportFeatures = {
    priority: true,
    priorityOrder: 'lowest-first',
    exchanges: true,
    once: true,
    multiProcess: true,
    durable: false, // the server's configuration decides that
    atomicSettlement: true,
    leaseExpires: true,
    counts: true,
    keepsPlace: true,
    choosesWaiting: true,
  };
  readonly store: object;
  readonly deadLetters: RedisDeadLetters;
  readonly fanout: RedisFanout;
  readonly revocations: RedisRevocations;
  readonly #settings: RedisSettings;
  readonly #connection: RedisConnection;
  readonly #status: StatusNotifier = new StatusNotifier({ state: 'reconnecting', reason: null });
  readonly onStatus: Transport['onStatus'] = this.#status.listen;
  readonly #clock: Clock;
  readonly #publisher: PublishBatcher;
  readonly #bindings: Bindings;
  readonly #steps: readonly number[];
  readonly #consumers = new Set<RedisConsumer>();
  #closed = false;

  constructor(connection: RedisConnection, queues: TransportOptions['queues'], clock: Clock) {
    this.#settings = connection.settings;
    this.#steps = connection.settings.prioritySteps;
    connection.onState(({ connected, reason }) =>
      this.#status.set(connected ? { state: 'connected', reason: null } : { state: 'reconnecting', reason }),
    );
    this.store = connection.settings.store;
    this.#connection = connection;
    this.#clock = clock;
    this.#publisher = new PublishBatcher(connection, clock);
    this.#bindings = new Bindings(connection, queues);
    this.deadLetters = new RedisDeadLetters(connection);
    this.fanout = new RedisFanout(connection);
    this.revocations = new RedisRevocations(connection);
  }

  get status(): TransportStatus {
    return this.#status.status;
  }

  async publish(publications: readonly Publication[], options: PublishOptions = {}): Promise<void> {
    this.#refuseIfClosed();
    const { signal, timeoutMs = defaultSendTimeoutMs } = options;
    signal?.throwIfAborted();
    const until = this.#clock.monotonic() + timeoutMs;
    // All messages are encoded before any is sent: one that cannot be encoded stops all of them.
    const messages: RedisPublication[] = [];
    const noteMs = String(Math.ceil(3 * timeoutMs));
    for (const publication of publications) {
      const record = recordOf(publication.write, this.store);
      const going = this.#address(publication, until, signal);
      const addressed = going instanceof Promise ? await going : going; // saves a turn for each message
      const [first] = addressed;
      if (first === undefined) continue;
      const mark = record ?? ([sentKey(this.#settings.keyPrefix, noteOf(publication)), noteMs] as const);
      const history = historyOf(publication.history, this.store);
      messages.push({ id: publication.id, mark, lists: addressed, stored: first.stored, history });
    }
    await this.#publisher.send(messages, until, signal);
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.#refuseIfClosed();
    // Who only sends does not load these.
    const { checkRights } = await import('./rights.ts');
    const { RedisConsumer } = await import('./redis-consumer.ts');
    await checkRights(this.#connection);
    for (const queue of options.queues) await this.#bindings.declare(queue);
    const consumer = await RedisConsumer.join({
      connection: this.#connection,
      // A worker that waits for messages stays alive.
      connect: async () => (await RedisConnection.open(this.#settings)).keepProcess(),
      clock: this.#clock,
      steps: this.#steps,
      options,
      address: async (publication) => this.#address(publication),
      onClose: () => this.#consumers.delete(consumer),
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  async size(queue: string): Promise<QueueSize> {
    const reply = await this.#read(luaScript(sizeLua), [queue, ...this.#steps.map(String)]);
    const [ready = 0, scheduled = 0, claimed = 0] = Array.isArray(reply) ? reply.map(Number) : [];
    return { ready, scheduled, claimed };
  }

  async queues(): Promise<readonly string[]> {
    this.#refuseIfClosed();
    const names = await this.#bindings.names();
    const sizes = await Promise.all(names.map((name) => this.size(name)));
    return names.filter((_, n) => {
      const size = sizes[n];
      return size !== undefined && size.ready + size.scheduled + size.claimed > 0;
    });
  }

  async purge(queue: string): Promise<number> {
    return Number(await this.#change(luaScript(purgeLua), [queue, ...this.#steps.map(String)]));
  }

  async changeWaiting(queue: string, changes: WaitingChanges): Promise<number> {
    this.#refuseIfClosed();
    const { changeWaiting } = await import('./redis-waiting.ts');
    return changeWaiting(this.#connection, queue, changes, (name) => this.#bindings.declare(name));
  }

  async held(queue: string, limit: number): Promise<readonly HeldMessage[]> {
    this.#refuseIfClosed();
    const { heldMessages } = await import('./redis-held.ts');
    return heldMessages(this.#connection, queue, { limit });
  }

  async releaseHeld(queue: string, taskId: string): Promise<number> {
    this.#refuseIfClosed();
    const { releaseHeld } = await import('./redis-held.ts');
    return releaseHeld(this.#connection, queue, taskId);
  }

  async openLocks(): Promise<Locks> {
    const { RedisLocks } = await import('./redis-locks.ts');
    return new RedisLocks(this.#connection);
  }

  async openAudit(): Promise<AuditStore> {
    const { RedisAudit } = await import('./redis-audit.ts');
    return new RedisAudit(this.#connection);
  }

  async health(): Promise<readonly HealthFigure[]> {
    this.#refuseIfClosed();
    const { redisHealth } = await import('./redis-health.ts');
    return redisHealth(this.#connection);
  }

  async openPauses(): Promise<PauseStore> {
    const { RedisPauses } = await import('./redis-pauses.ts');
    return new RedisPauses(this.#connection);
  }

  async openHistoryStream(options: HistoryStreamOptions): Promise<HistoryStream> {
    const { RedisHistoryStream } = await import('./redis-history-stream.ts');
    return new RedisHistoryStream(this.#connection, options);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openRedisLimits } = await import('./redis-limits.ts');
    return openRedisLimits(this.#settings, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readRedisLimits } = await import('./redis-limit-report.ts');
    return readRedisLimits(this.#connection, reading);
  }

  async promoteMatching(
    groups: readonly (readonly string[])[],
    { waiting }: { waiting: boolean },
  ): Promise<number> {
    const texts = JSON.stringify(groups);
    let count = 0;
    for (const queue of await this.#bindings.names()) {
      for (const step of waiting ? ['', ...this.#steps.map(String)] : ['']) {
        for (let from = 0; ; ) {
          const reply = await this.#change(luaScript(forwardLua), [
            queue,
            step,
            String(from),
            String(lookAt),
            texts,
          ]);
          const [moved = 0, seen = 0] = Array.isArray(reply) ? reply.map(Number) : [];
          count += moved;
          if (seen < lookAt) break;
          from += seen - moved;
        }
      }
    }
    return count;
  }

  async peek(
    queue: string,
    { place, heads = false, first, limit }: PeekOptions,
  ): Promise<readonly PeekedMessage[]> {
    const what = place === 'ready' && heads ? 'heads' : place;
    const args = [queue, what, first, String(limit), String(maxPeekedBytes), ...this.#steps.map(String)];
    const reply = await this.#read(luaScript(peekLua), args, { buffers: true });
    const [total = 0, ...list]: readonly unknown[] = Array.isArray(reply) ? reply : [];
    const found: PeekedMessage[] = [];
    for (let n = 0; n < list.length; n += 2) {
      const [due, stored] = [String(list[n]), list[n + 1]];
      found.push({
        position: heads ? null : first === 'next' ? found.length : Number(String(total)) - 1 - found.length,
        due: due === '' ? null : new Date(Number(due)),
        message: stored instanceof Buffer ? decodeEnvelope(splitMetadata(stored).raw) : null,
      });
    }
    return found;
  }

  async dueCounts(times: readonly number[]): Promise<readonly number[]> {
    const names = await this.#bindings.names();
    const replies = await Promise.all(
      names.map((name) => this.#read(luaScript(dueCountsLua), [name, ...times.map(String)])),
    );
    const counts = replies.map((reply) => (Array.isArray(reply) ? reply.map(Number) : []));
    return times.slice(1).map((_, at) => counts.reduce((sum, each) => sum + (each[at] ?? 0), 0));
  }

  async promote(queue: string, due: readonly number[]): Promise<number> {
    return Number(await this.#change(luaScript(promoteLua), [queue, ...due.map(String)]));
  }

  /** Does once what each consumer does all the time: evicts consumers whose lease has ended, moves due messages. For tests. */
  async maintain(): Promise<void> {
    const { default: maintainLua } = await import('lua:./lua/maintain.lua');
    for (let more = true; more; ) {
      const reply = await this.#change(luaScript(maintainLua), ['', '0', '1', String(maxReadMs), '0']);
      more = Array.isArray(reply) && Number(reply[5]) === 1;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const consumer of [...this.#consumers]) await consumer.close();
    await this.fanout.close();
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The lists that a message goes to, and its bytes. @throws UnroutableError, NotSerializableError */
  #address(
    { queue, exchange, message }: Publication,
    until = this.#clock.monotonic() + defaultSendTimeoutMs,
    signal?: AbortSignal,
  ): readonly AddressedMessage[] | Promise<readonly AddressedMessage[]> {
    const step = stepOf(message.properties.priority, this.#steps);
    const stored = encodeEnvelope(message);
    const addressed = [{ queue, step, stored }];
    if (exchange === undefined && this.#bindings.isDeclared(queue)) return addressed;
    const left: PublishOptions = { signal, timeoutMs: Math.max(1, until - this.#clock.monotonic()) };
    if (exchange === undefined) return this.#bindings.declare(queue, left).then(() => addressed);
    return this.#bindings
      .route(exchange, left)
      .then((queues) => queues.map((each) => ({ queue: each, step, stored })));
  }

  async #read(
    script: RedisScript,
    args: readonly string[],
    options: { readonly buffers?: boolean } = {},
  ): Promise<unknown> {
    this.#refuseIfClosed();
    const { keyPrefix } = this.#settings;
    return reading(this.#connection, (timeoutMs) =>
      this.#connection.run(script, [consumersKey(keyPrefix)], [keyPrefix, ...args], {
        ...options,
        timeoutMs,
      }),
    );
  }

  async #change(script: RedisScript, args: readonly string[]): Promise<unknown> {
    this.#refuseIfClosed();
    const { keyPrefix } = this.#settings;
    const change = this.#connection.run(script, [consumersKey(keyPrefix)], [keyPrefix, ...args]);
    return changing(this.#connection, change);
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new BrokerUnavailable(`this handle on ${this.#settings.shown} is closed`);
  }
}

/** How many messages are looked at in one step, which must not keep the server from others for long. */
const lookAt = 2000;

/** The id under which the note is kept that a message was sent. */
function noteOf({ id, once }: Publication): string {
  return once === true ? id : randomUUID();
}
