// The contract of broadcasts between processes, which carry events and remote control: sent to all current subscribers, and not kept.
import { ConfigError } from '../errors.ts';
import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { ExchangeDeclaration } from './topology.ts';

/** An exchange of broadcasts, in AMQP's terms. Other brokers follow the same rules without knowing exchanges. */
export type FanoutExchange = ExchangeDeclaration;

/** The exchanges of events and remote control. */
export interface Exchanges {
  readonly events: FanoutExchange;
  readonly control: FanoutExchange;
  /** For replies to remote-control commands. */
  readonly replies: FanoutExchange;
}

/** Named by Celery's settings `control_exchange` and `event_exchange`, with kombu's suffix of mailboxes. */
export function exchangesNamed(control: string, events: string): Exchanges {
  return {
    events: { name: events, type: 'topic', durable: true },
    control: { name: `${control}.pidbox`, type: 'fanout', durable: false },
    replies: { name: `reply.${control}.pidbox`, type: 'direct', durable: false },
  };
}

/** Under Celery's default names. */
export const celeryExchanges: Exchanges = exchangesNamed('celery', 'celeryev');

/** What a subscriber receives, and how. */
export interface Subscription {
  readonly exchange: FanoutExchange;
  /** Routing keys, or patterns of them. For `fanout`: `['']`. */
  readonly keys: readonly string[];
  /** The name of the subscriber's queue, where the broker has one for each. No other subscriber has this name. */
  readonly queue: string;
  /** How long a message may wait there for a subscriber that is away, milliseconds. */
  readonly ttlMs: number;
  /** The queue is removed after this time without its subscriber, milliseconds. */
  readonly expiresMs: number;
  /** Called at the beginning if another subscriber has a queue of this name: each of the two receives a part of the messages. */
  readonly onShared?: () => void;
}

/** Called with each message, also when it cannot be decoded. Must not throw. */
export type FanoutListener = (message: Decoded<WireMessage>, routingKey: string) => void;

export interface Fanout {
  /**
   * Sends to all subscribers. Resolves when the broker has the message, even if there is no subscriber. Does not read the body's bytes after
   * that.
   * @throws BrokerUnavailable when the message was not sent, or when a broker that had it has not said so
   */
  publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void>;
  /**
   * Subscribes. Resolves when all messages from then on are received; after a lost connection it subscribes again by itself.
   * Dispose to unsubscribe.
   * @throws BrokerUnavailable when the broker does not answer in time
   */
  subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable>;
  /** The names of the living workers, which the store knows by their leases; null: it does not know them. */
  workers(): Promise<readonly string[] | null>;
}

/** Revocations, which all workers must know for a while, also those that start later. Their number is bounded, and they expire. */
export interface RevocationStore {
  /** Adds revocations, which last until `until`, milliseconds since 1970. A revocation that exists lasts until the later time. */
  put(revocations: readonly string[], until: number): Promise<void>;
  /** All revocations that have not expired. */
  read(): Promise<readonly string[]>;
}

/** How many revocations are kept; above that, those that expire first are deleted. As Celery's REVOKES_MAX. */
export const maxRevocations = 50_000;

/** The length of the longest revocation that the id of a readable message can make. */
export const maxRevocationLength = 10_300;

/** @throws ConfigError for a revocation that is too long to be kept */
export function checkRevocations(revocations: readonly string[]): readonly string[] {
  const long = revocations.find((revocation) => revocation.length > maxRevocationLength);
  if (long !== undefined)
    throw new ConfigError(
      `'${long.slice(0, 40)}…' cannot be revoked: an id, or a stamp, has at most ${maxRevocationLength} characters`,
    );
  return revocations;
}

/** The revocation of a task, by its id. */
export function taskRevocation(id: string): string {
  return `id:${id}`;
}

/** The revocation of all tasks of a workflow, by the id of its root. */
export function workflowRevocation(rootId: string): string {
  return `root:${rootId}`;
}

/** The revocation of all tasks with this value of a stamp. */
export function stampRevocation(name: string, value: string): string {
  return `stamp:${JSON.stringify([name, value])}`;
}
