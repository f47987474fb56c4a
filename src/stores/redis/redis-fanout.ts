// Broadcasts and revocations on Redis. As in kombu, broadcasts use PUBLISH and patterns, and replies go to lists, which the table of bindings names.

import { BrokerUnavailable } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { decodeEnvelope, encodeEnvelopeBytes } from '../../protocol/envelope.ts';
import type { WireMessage } from '../../protocol/message.ts';
import {
  type Fanout,
  type FanoutExchange,
  type FanoutListener,
  maxRevocations,
  type RevocationStore,
  type Subscription,
} from '../fanout.ts';
import { bind } from './bind.ts';
import { RedisConnection, ReplyLost } from './client/connection.ts';
import { RedisPatterns } from './client/patterns.ts';
import type { RedisArgument } from './client/resp.ts';
import { bindingKey, consumersKey, separator } from './keys.ts';

/** How long a reply waits for a receiver that has gone, milliseconds: Celery's control_queue_expires. */
const replyMs = 10_000;
const askMs = 10_000;
const blockSeconds = 5;
const retryPolicy = { factor: 50, maximum: 1000, jitter: true } as const;

export class RedisFanout implements Fanout {
  readonly #connection: RedisConnection;
  readonly #patterns: RedisPatterns;
  readonly #inboxes = new Set<AsyncDisposable>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#patterns = new RedisPatterns(connection.settings);
  }

  async publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    const envelope = encodeEnvelopeBytes(message);
    if (exchange.type !== 'direct') {
      await this.#ask(['PUBLISH', this.#channel(exchange, routingKey), envelope]);
      return;
    }
    const { keyPrefix } = this.#connection.settings;
    for (const member of listOf(await this.#ask(['SMEMBERS', bindingKey(keyPrefix, exchange.name)]))) {
      const [key, , queue] = member.split(separator);
      if (key !== routingKey || queue === undefined) continue;
      await this.#ask(['LPUSH', keyPrefix + queue, envelope]);
      await this.#ask(['PEXPIRE', keyPrefix + queue, String(replyMs)]);
    }
  }

  async subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable> {
    if (subscription.exchange.type === 'direct') return this.#inbox(subscription, listener);
    const { exchange, keys } = subscription;
    const prefix = this.#channel(exchange, '');
    const onMessage = (text: string, channel: string): void =>
      listener(decodeEnvelope(text), channel.slice(prefix.length + 1));
    const parts: AsyncDisposable[] = [];
    for (const key of keys) {
      const channel = this.#channel(exchange, key.replaceAll('#', '*'), escapeGlob);
      parts.push(await this.#patterns.subscribe(channel, onMessage));
    }
    return {
      [Symbol.asyncDispose]: async () => {
        for (const part of parts) await part[Symbol.asyncDispose]();
      },
    };
  }

  /** The living workers, by the leases of their consumers. */
  async workers(): Promise<readonly string[]> {
    const { keyPrefix } = this.#connection.settings;
    const key = consumersKey(keyPrefix);
    const time = listOf(await this.#ask(['TIME'])).map(Number);
    const now = Math.floor((time[0] ?? 0) * 1000 + (time[1] ?? 0) / 1000);
    const ids = listOf(await this.#ask(['ZRANGEBYSCORE', key, String(now), '+inf']));
    const abouts = await Promise.all(
      ids.map((id) => this.#ask(['HGET', `${keyPrefix}umbel:consumer:${id}`, 'about'])),
    );
    return [...new Set(abouts.map(nameIn).filter((name) => name !== ''))].sort();
  }

  async close(): Promise<void> {
    for (const inbox of [...this.#inboxes]) await inbox[Symbol.asyncDispose]();
    await this.#patterns.close();
  }

  /** A list of our own, bound while we are subscribed. */
  async #inbox({ exchange, keys, queue }: Subscription, listener: FanoutListener): Promise<AsyncDisposable> {
    const { keyPrefix } = this.#connection.settings;
    const members = keys.map((key) => [key, '', queue].join(separator));
    const bindings = bindingKey(keyPrefix, exchange.name);
    await bind(this.#connection, bindings, members, { timeoutMs: askMs });
    const reader = (await RedisConnection.open(this.#connection.settings)).keepProcess();
    const closing = new AbortController();
    const reading = readAll(reader, keyPrefix + queue, closing.signal, (text) =>
      listener(decodeEnvelope(text), keys[0] ?? ''),
    );
    const inbox: AsyncDisposable = {
      [Symbol.asyncDispose]: async () => {
        if (!this.#inboxes.delete(inbox)) return;
        closing.abort();
        await this.#ask(['SREM', bindings, ...members]).catch(() => undefined);
        await this.#ask(['DEL', keyPrefix + queue]).catch(() => undefined);
        await reader.close();
        await reading;
      },
    };
    this.#inboxes.add(inbox);
    return inbox;
  }

  #channel({ name }: FanoutExchange, key: string, escaped: (text: string) => string = same): string {
    const { keyPrefix, db } = this.#connection.settings;
    return `${escaped(`${keyPrefix}/${db}.${name}`)}${key === '' ? '' : `/${key}`}`;
  }

  #ask(command: readonly RedisArgument[]): Promise<unknown> {
    return ask(this.#connection, command);
  }
}

export class RedisRevocations implements RevocationStore {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async put(revocations: readonly string[], until: number): Promise<void> {
    if (revocations.length === 0) return;
    const scored = revocations.flatMap((revocation) => [String(Math.ceil(until)), revocation]);
    await ask(this.#connection, ['ZADD', this.#key, 'GT', ...scored]);
    await ask(this.#connection, ['ZREMRANGEBYSCORE', this.#key, '-inf', String(Date.now())]);
    await ask(this.#connection, ['ZREMRANGEBYRANK', this.#key, '0', String(-maxRevocations - 1)]);
  }

  async read(): Promise<readonly string[]> {
    return listOf(await ask(this.#connection, ['ZRANGEBYSCORE', this.#key, String(Date.now()), '+inf']));
  }

  get #key(): string {
    return `${this.#connection.settings.keyPrefix}umbel:revocations`;
  }
}

async function readAll(
  reader: RedisConnection,
  list: string,
  signal: AbortSignal,
  onText: (text: string) => void,
): Promise<void> {
  const timeoutMs = (blockSeconds + 5) * 1000;
  const read = async (): Promise<readonly string[]> =>
    listOf(await reader.call(['BRPOP', list, String(blockSeconds)], { timeoutMs, signal }));
  while (!signal.aborted) {
    const reply = await retrying(read, { policy: retryPolicy, clock: systemClock, signal });
    if (reply?.[1] !== undefined) onText(reply[1]);
  }
}

async function ask(connection: RedisConnection, command: readonly RedisArgument[]): Promise<unknown> {
  try {
    return await connection.call(command, { timeoutMs: askMs });
  } catch (error) {
    if (error instanceof ReplyLost) throw new BrokerUnavailable(error.message, { cause: error });
    throw error;
  }
}

function listOf(reply: unknown): string[] {
  return reply instanceof Set || Array.isArray(reply) ? [...reply].map(String) : [];
}

function nameIn(about: unknown): string {
  try {
    const parsed: unknown = JSON.parse(String(about));
    const name: unknown = typeof parsed === 'object' && parsed !== null && 'name' in parsed && parsed.name;
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}

const same = (text: string): string => text;

export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
