// The contract of broadcasts between processes: told to all who listen now, kept for nobody. What events and remote control travel by.
import { ConfigError } from '../errors.ts';
import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { ExchangeDeclaration } from './topology.ts';

/** Where broadcasts go, in AMQP's terms. Elsewhere the same rules hold without a broker that knows them. */
export type FanoutExchange = ExchangeDeclaration;

/** Where events and remote control go. */
export interface Exchanges {
  readonly events: FanoutExchange;
  readonly control: FanoutExchange;
  /** Where the answers of control go. */
  readonly replies: FanoutExchange;
}

/** By Celery's settings `control_exchange` and `event_exchange`, and with kombu's suffix of mailboxes. */
export function exchangesNamed(control: string, events: string): Exchanges {
  return {
    events: { name: events, type: 'topic', durable: true },
    control: { name: `${control}.pidbox`, type: 'fanout', durable: false },
    replies: { name: `reply.${control}.pidbox`, type: 'direct', durable: false },
  };
}

/** Under Celery's default names. */
export const celeryExchanges: Exchanges = exchangesNamed('celery', 'celeryev');

/** Who listens. */
export interface Subscription {
  readonly exchange: FanoutExchange;
  /** Keys, or patterns of them. For `fanout`: `['']`. */
  readonly keys: readonly string[];
  /** The listener's queue, where the broker has one for each. Nobody else has this name. */
  readonly queue: string;
  /** How long a message may wait there for a listener that is away, milliseconds. */
  readonly ttlMs: number;
  /** After so long without its listener the queue is removed, milliseconds. */
  readonly expiresMs: number;
  /** Somebody listens by this queue already: of the two each hears a part. Told at the beginning, where listeners have queues. */
  readonly onShared?: () => void;
}

/** Gets what is told, also what cannot be read. Must not throw. */
export type FanoutListener = (message: Decoded<WireMessage>, routingKey: string) => void;

export interface Fanout {
  /**
   * Tells all who listen. Resolves when the broker was handed it; nobody may have heard it. The body's bytes are not read after that.
   * @throws BrokerUnavailable when it surely was not.
   */
  publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void>;
  /**
   * Listens. Resolves when all that is published from then on is heard; after a lost connection it listens again by itself.
   * Dispose to listen no more.
   * @throws BrokerUnavailable when the broker does not answer in time.
   */
  subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable>;
  /** Names of the workers that live, as the store knows them by their leases; null: it does not know. */
  workers(): Promise<readonly string[] | null>;
}

/** What all workers must know for a while, also those that start later: which tasks are revoked. Bounded, and forgotten in time. */
export interface RevocationStore {
  /** Puts revocations up; one that is there already stays until the later time. Milliseconds since 1970. */
  put(revocations: readonly string[], until: number): Promise<void>;
  /** All that have not expired. */
  read(): Promise<readonly string[]>;
}

/** The most revocations that are kept; beyond that those that expire first go. As Celery's REVOKES_MAX. */
export const maxRevocations = 50_000;

/** No id of a message that can be read makes a longer one. */
export const maxRevocationLength = 10_300;

/** @throws ConfigError: one is too long to be kept. */
export function checkRevocations(revocations: readonly string[]): readonly string[] {
  const long = revocations.find((revocation) => revocation.length > maxRevocationLength);
  if (long !== undefined)
    throw new ConfigError(
      `'${long.slice(0, 40)}…' cannot be revoked: an id, or a stamp, has at most ${maxRevocationLength} characters`,
    );
  return revocations;
}

/** The revocation that a task is revoked, by its id. */
export function taskRevocation(id: string): string {
  return `id:${id}`;
}

/** The revocation that all tasks of a workflow are revoked, by the id of its root. */
export function workflowRevocation(rootId: string): string {
  return `root:${rootId}`;
}

/** The revocation that all tasks with this value of a stamp are revoked. */
export function stampRevocation(name: string, value: string): string {
  return `stamp:${JSON.stringify([name, value])}`;
}
