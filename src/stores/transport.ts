// The contract of a transport: moving messages between senders and workers, losing none.

import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { Fanout, FanoutExchange, RevocationStore } from './fanout.ts';
import type { Limits, LimitsOptions } from './limits.ts';
import type { Locks } from './locks.ts';
import type { StoreWrite } from './store-write.ts';

/** What a transport can do. What it cannot do is said here, never thrown as "not implemented". */
export interface TransportFeatures {
  /** Messages of one queue are ordered by priority. */
  readonly priority: boolean;
  /** Which of the numbers that say a priority comes first: 0 (`lowest`, as on Redis) or the highest (as on RabbitMQ). */
  readonly mostUrgent: 'lowest' | 'highest';
  /** `Publication.exchange` is routed here. Where it is not, the application finds the queues by what it has declared. */
  readonly exchanges: boolean;
  /** `Publication.once` is heeded: a send that was not confirmed may be repeated without harm. */
  readonly once: boolean;
  /** Several processes may share the store. */
  readonly multiProcess: boolean;
  /** A message sent is on disk: it survives the loss of power, not only of the process. */
  readonly durable: boolean;
  /** A result written with a settlement is kept if and only if the settlement is. */
  readonly atomicSettlement: boolean;
  /** A worker that is stopped but not dead loses its lease. */
  readonly leaseExpires: boolean;
  /** `size` knows what is scheduled and what other processes hold. */
  readonly counts: boolean;
  /** What is given back comes again before what waits. */
  readonly keepsPlace: boolean;
}

/** A message and where it goes. */
export interface Publication {
  /** The task's id. */
  readonly id: string;
  readonly queue: string;
  /** Delivered to all queues that are bound there for its key, instead of to `queue` (see `topology.ts`). */
  readonly exchange?: ExchangeAddress;
  readonly message: WireMessage;
  /** Told to every worker that listens to the broadcast queue now, and kept for nobody: not for `publish`, see `publishAll`. */
  readonly broadcast?: Broadcast;
  /** Not to be delivered before this time. */
  readonly eta: Date | null;
  /**
   * A write that goes with the message if it lives in the same store (see {@link StoreWrite}): the record that a
   * task was sent. If it reports `false` (there is one already), the message is not sent a second time; but for one that
   * travels with a settlement, which happens once: a task that replaces another has the other's id.
   */
  readonly write?: StoreWrite;
  /**
   * The first message of its task: not to be sent again under its id for as long as the store remembers (where `write` does
   * not say so already), so that a send whose answer was lost may be repeated. A retry of a task is not one.
   */
  readonly once?: boolean;
}

/** Where the messages of a broadcast queue are told (kombu's `Broadcast`). */
export interface Broadcast {
  readonly exchange: FanoutExchange;
  readonly routingKey: string;
}

export interface ExchangeAddress {
  readonly name: string;
  readonly routingKey: string;
}

export interface PublishOptions {
  /** Gives up when aborted: nothing was sent, or `SendUnconfirmed` when it was on its way. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until an answer must be there. */
  readonly timeoutMs?: number | undefined;
}

/** How a transport stands to its broker. */
export interface TransportStatus {
  /** `blocked`: connected, but the broker takes no messages now. */
  readonly state: 'connected' | 'blocked' | 'reconnecting';
  /** For people: what is wrong; null when connected. */
  readonly reason: string | null;
}

/** Why a message is in the dead-letter store. Stable words. */
export type DeadReason = (typeof deadReasons)[number];

export const deadReasons = [
  'undecodable',
  'unknown-task',
  'max-deliveries', // its worker died too often
  'rejected', // the task threw Reject without requeue
  'failed', // it failed, and its acksOnFailure, or acksOnTimeout, is false
] as const;

/** What becomes of a delivery. */
export type Settlement =
  /** Done with: removed. `write` and `publish` (a retry, links) happen if and only if the removal does. */
  | { readonly kind: 'ack'; readonly write?: StoreWrite; readonly publish?: readonly Publication[] }
  /**
   * Back to the queue: at once to its front (`until: null`), or not before `until`. `deferred` counts a deferral
   * (see `Delivery.deferrals`), `crashed` as one that its process died of (see `Delivery.crashes`); else the worker that gives it
   * back is not held to have died of it.
   */
  | {
      readonly kind: 'release';
      readonly until: Date | null;
      readonly deferred?: boolean;
      readonly crashed?: boolean;
    }
  /** To the dead-letter store, with its original bytes. */
  | {
      readonly kind: 'dead';
      readonly reason: DeadReason;
      readonly detail: string;
      readonly write?: StoreWrite;
    };

/** A message that this process holds a lease on. It is settled exactly once. */
export interface Delivery {
  readonly queue: string;
  /** The stored bytes, whatever they are. */
  readonly raw: Uint8Array;
  readonly message: Decoded<WireMessage>;
  /** It was delivered before and came back. */
  readonly redelivered: boolean;
  /**
   * It was a dead letter, and was put back by two steps: there may be another one of it, which may have succeeded. Absent where putting
   * back is one step.
   */
  readonly replayed?: boolean;
  /** How many workers, or processes of their pools, have died (or lost their lease) holding it. */
  readonly crashes: number;
  /** How often it was deferred by `release` with `deferred`. */
  readonly deferrals: number;
  /** It was told to all, and is kept nowhere: there is nothing to acknowledge. */
  readonly isBroadcast?: boolean;
  /** A worker put it aside until its time, and told who watches that it had received it (see {@link ConsumeOptions.onEarly}). */
  readonly isAnnounced?: boolean;
  /** Aborted with LeaseLostError when the lease has passed to another. */
  readonly lost: AbortSignal;
  /**
   * Resolves when it is known whether the lease is still ours: at once but where the connection broke on which it came (`lost` says how it
   * ended). Absent where that is always known.
   * @throws BrokerUnavailable when it is not known yet: ask again
   */
  steady?(): Promise<void>;
  /**
   * Settles it; resolves when that is durable. `fenced`: the lease had passed to another, nothing was written.
   * @throws BrokerUnavailable when the store refuses (full, gone): nothing was written, and it may be tried again.
   */
  settle(settlement: Settlement): Promise<'settled' | 'fenced'>;
}

export interface ConsumeOptions {
  /** Queues whose first messages are equally urgent are served in turn (round robin, as kombu). */
  readonly queues: readonly string[];
  /** Node name, for people who look into the store. */
  readonly name: string;
  /** Milliseconds after which the messages of an owner that no longer lives are given to others. */
  readonly leaseMs: number;
  /** The most that `capacity()` will ever say: what a broker that pushes may push ahead. Default 8. */
  readonly slots?: number;
  /** How long a quarantined message runs alone, and how long the consumer waits before it claims one, milliseconds (see {@link Consumer.claim}). Default 10,000. */
  readonly quarantineMs?: number;
  /**
   * Called with each message that is deferred because its time has not come. Returns whether monitors were told that it was received: then
   * they are not told again when it is due.
   */
  readonly onEarly?: (message: WireMessage, queue: string) => boolean;
  /** Told once when something in the store cannot be kept in order, or settlements wait for it: which, why and what to do; null: that is over. */
  readonly onTrouble?: (trouble: string | null) => void;
}

/** This process as an owner of deliveries. */
export interface Consumer extends AsyncDisposable {
  /**
   * Claims messages: waits until there is at least one, and returns at most `capacity()`, which is read at the moment of
   * the claim. Returns an empty array when that is 0, or when `signal` is aborted; a claim that has begun is finished
   * first, so nothing is in limbo.
   * A message whose owners died twice or more is quarantined: it runs alone: should this worker die, too, no other message is charged with the
   * death. The consumer claims a quarantined message only when it holds nothing, and claims nothing beside it. While a quarantined message waits and other messages
   * are held, the consumer claims nothing until those are settled. Both waits end after `quarantineMs`: then the quarantined message is claimed beside
   * the others, or others beside the quarantined message. A consumer never holds two quarantined messages.
   */
  claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]>;
  /** Gives back what is still held and leaves. Safe to call twice. */
  close(): Promise<void>;
}

/** A queue's messages, counted. */
export interface QueueSize {
  /** Could be claimed now. */
  readonly ready: number;
  /** Wait for their time. */
  readonly scheduled: number;
  /** Are held by a worker. */
  readonly claimed: number;
}

/** Bytes of messages that `Transport.scheduled` gives at a time. */
export const maxScheduledBytes = 1_000_000;

/** A message that waits for its time. */
export interface ScheduledMessage {
  readonly due: Date;
  readonly message: Decoded<WireMessage>;
}

/** A message that could not be run, with the reason. */
export interface StoredDeadLetter {
  /** A later one has a higher number. */
  readonly id: number;
  readonly queue: string;
  readonly reason: DeadReason;
  /** For people. */
  readonly detail: string;
  readonly diedAt: Date;
  /** How many workers, or processes of their pools, died holding it. */
  readonly crashes: number;
  /** Byte for byte as it came. */
  readonly raw: Uint8Array;
}

/** Where messages go that cannot be run. Nothing leaves it by itself. */
export interface DeadLetterStore {
  /** Newest first; `before` is the id to go on from. */
  list(options?: {
    readonly limit?: number;
    readonly before?: number;
    readonly queue?: string;
  }): Promise<readonly StoredDeadLetter[]>;
  get(id: number): Promise<StoredDeadLetter | undefined>;
  count(): Promise<number>;
  /** Puts it back into its queue with a clean record. False when there is none. */
  replay(id: number): Promise<boolean>;
  /** Deletes it for good. False when there is none. */
  discard(id: number): Promise<boolean>;
  /**
   * Asks of each that there is now, oldest first and each once, what is to be done with it, and does it before it asks for the next. It
   * fails if that fails. What it has asked for may be hidden from others until it ends. Absent where one of many is found at once.
   */
  sweep?(
    visit: (id: number, read: () => StoredDeadLetter) => SweepAction | Promise<SweepAction>,
  ): Promise<void>;
}

/** What is to be done with a dead letter; `stop`: nothing, and the sweep is over. */
export type SweepAction = 'keep' | 'replay' | 'discard' | 'stop';

export interface Transport extends AsyncDisposable {
  /** `sqlite`, `memory`, `redis`, `amqp`. */
  readonly name: string;
  readonly features: TransportFeatures;
  readonly status: TransportStatus;
  /** The identity of the store: a {@link StoreWrite} made for the same store travels with a settlement. */
  readonly store: object;
  /**
   * Sends; resolves when the store holds the messages as durably as it can.
   * @throws BrokerUnavailable when nothing was sent, UnroutableError when no queue would have got a message,
   * SendUnconfirmed when it is not known, the signal's reason when it was aborted before anything was sent.
   */
  publish(publications: readonly Publication[], options?: PublishOptions): Promise<void>;
  /** Tells of each change of `status`, until the function returned is called. */
  onStatus(listener: (status: TransportStatus) => void): () => void;
  /** Joins the workers of the store. */
  consume(options: ConsumeOptions): Promise<Consumer>;
  size(queue: string): Promise<QueueSize>;
  /** Names of the queues that hold messages. */
  queues(): Promise<readonly string[]>;
  /**
   * Deletes what waits in the queue (scheduled messages too, claimed ones not); returns how many. `deleted` is given the ids of the tasks,
   * some at a time, by transports that can tell them without carrying each message here.
   */
  purge(queue: string, deleted?: (taskIds: readonly string[]) => Promise<void>): Promise<number>;
  readonly deadLetters: DeadLetterStore;
  /** Locks of unique tasks. Absent where the store cannot keep them: then those of the result backend are asked for. */
  openLocks?(): Promise<Locks>;
  /**
   * Limits that all workers of the store share. Absent where the store cannot keep them: then those of the result backend are asked for.
   */
  openLimits?(options: LimitsOptions): Promise<Limits>;
  /**
   * The next messages of this queue that wait for their time: of so many those that are {@link maxScheduledBytes} together. Of the embedded store
   * those that are among the next ten thousand of all queues. Absent where what is scheduled cannot be looked at.
   */
  scheduled?(queue: string, max: number): Promise<readonly ScheduledMessage[]>;
  /**
   * The scheduled messages of this queue whose time is exactly one of these (milliseconds since 1970) may be claimed now, before all
   * that waits; returns how many there were. Absent where what is scheduled cannot be reached.
   */
  promote?(queue: string, due: readonly number[]): Promise<number>;
  /**
   * Brings messages to the front of their queues, to be claimed next: those of which the stored text contains all texts of one of these
   * groups. They are scheduled, or (`waiting`) wait in line; held ones are left alone. It looks through all that is there. Absent where that
   * cannot be done. Returns how many there were.
   */
  promoteMatching?(
    groups: readonly (readonly string[])[],
    options: { readonly waiting: boolean },
  ): Promise<number>;
  /**
   * How many messages waited for their time and found no queue, by the queue's name: they are kept until a worker serves it again. Absent
   * where a queue cannot go missing.
   */
  unroutable?(): Promise<ReadonlyMap<string, number>>;
  /** Broadcasts between processes. */
  readonly fanout: Fanout;
  /** What workers must know that start later: revoked tasks. */
  readonly revocations: RevocationStore;
  close(): Promise<void>;
}
