// The contract of a transport, which moves messages between senders and workers, and loses none.

import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { AuditStore } from './audit-store.ts';
import type { Fanout, FanoutExchange, RevocationStore } from './fanout.ts';
import type { HeldMessage } from './held-messages.ts';
import type { HistoryStream, HistoryStreamOptions } from './history-stream.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from './limits.ts';
import type { Locks } from './locks.ts';
import type { PauseStore } from './pauses.ts';
import type { HealthFigure, StoreHealthOptions } from './store-health.ts';
import type { StoreWrite } from './store-write.ts';
import type { WaitingChanges } from './waiting.ts';

export type { StoreWrite } from './store-write.ts';

/** What a transport can do. A missing ability is declared here, never thrown as "not implemented". */
export interface TransportFeatures {
  /** Messages of one queue are ordered by priority. */
  readonly priority: boolean;
  /** Which number of a priority comes first: 0 (`lowest`, as on Redis), or the highest number (as on RabbitMQ). */
  readonly priorityOrder: 'lowest-first' | 'highest-first';
  /** The broker routes `Publication.exchange`. If it does not, the application finds the queues by its own declarations. */
  readonly exchanges: boolean;
  /** `Publication.once` is respected: an unconfirmed send may be repeated without harm. */
  readonly once: boolean;
  /** Several processes may share the store. */
  readonly multiProcess: boolean;
  /** A message that was sent is on disk: it survives a loss of power, not only the end of the process. */
  readonly durable: boolean;
  /** A result written with a settlement is kept if and only if the settlement is. */
  readonly atomicSettlement: boolean;
  /** A worker that is stopped but not dead loses its lease. */
  readonly leaseExpires: boolean;
  /** `size` counts scheduled messages, and messages that other processes hold. */
  readonly counts: boolean;
  /** A message that is given back is delivered before waiting messages. */
  readonly keepsPlace: boolean;
  /** `changeWaiting` may look at a message and keep it, and reaches scheduled messages. If not, it changes the next ready messages, whatever they are. */
  readonly choosesWaiting: boolean;
}

/** A message and its destination. */
export interface Publication {
  /** The task's id. */
  readonly id: string;
  /** The queue that gets it, unless `exchange` is set. */
  readonly queue: string;
  /** Delivered to all queues that are bound to this exchange for its key, instead of to `queue` (see `topology.ts`). */
  readonly exchange?: ExchangeAddress;
  /** The message as it is stored. */
  readonly message: WireMessage;
  /** Sent to every worker that listens to the broadcast queue now, and not kept. Not for `publish`: see `publishAll`. */
  readonly broadcast?: Broadcast;
  /** Not to be delivered before this time. */
  readonly eta: Date | null;
  /**
   * A write that goes with the message if it is for the same store (see {@link StoreWrite}): the record that a
   * task was sent. If it reports `false` (the record exists), the message is not sent a second time. A message that travels with a
   * settlement is sent in any case: the settlement happens once, and a task that replaces another has the other's id.
   */
  readonly write?: StoreWrite;
  /**
   * The first message of its task: the store sends an id once for as long as it remembers it (where `write` does not do that already), so
   * that a send whose answer was lost may be repeated. A retry's message is not the first one.
   */
  readonly once?: boolean;
  /** The entry of the history that it was sent, if the store of messages keeps that stream: written if the message is sent now. */
  readonly history?: StoreWrite;
}

/** The address of a broadcast queue (kombu's `Broadcast`). */
export interface Broadcast {
  /** The exchange that copies it to all who listen. */
  readonly exchange: FanoutExchange;
  /** Only those who listen to this key get it. */
  readonly routingKey: string;
}

/** An exchange and a routing key. */
export interface ExchangeAddress {
  /** The exchange's name. */
  readonly name: string;
  /** By which the exchange chooses queues. */
  readonly routingKey: string;
}

/** How long a send may take. */
export interface PublishOptions {
  /** Gives up when aborted: nothing was sent, or `SendUnconfirmed` if the message was on its way. */
  readonly signal?: AbortSignal | undefined;
  /** The deadline of an answer, milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** The state of a transport's connection to its broker. */
export interface TransportStatus {
  /** `blocked`: connected, but the broker takes no messages now. */
  readonly state: 'connected' | 'blocked' | 'reconnecting';
  /** For people: what is wrong; null when connected. */
  readonly reason: string | null;
}

/** Why a message is a dead letter. The words never change. */
export type DeadReason = (typeof deadReasons)[number];

/** Why messages become dead letters. */
export const deadReasons = [
  'undecodable',
  'unknown-task',
  'max-deliveries', // its workers died too often
  'rejected', // the task threw Reject without requeue
  'failed', // it failed, and its acksOnFailure, or acksOnTimeout, is false
] as const;

/** How a delivery ends. */
export type Settlement =
  /** The message is removed. `write`, `history` and `publish` (a retry, links) happen if and only if the removal does. */
  | {
      readonly kind: 'ack';
      readonly write?: StoreWrite;
      /** What happened to the task: an entry of `HistoryStream.writeOf`. */
      readonly history?: StoreWrite;
      readonly publish?: readonly Publication[];
    }
  /**
   * Back to the queue: at once to its front (`until: null`), or not before `until`. `deferred` counts a deferral
   * (see `Delivery.deferrals`). `crashed` counts a crash of its process (see `Delivery.crashes`); otherwise giving it back counts as
   * no crash.
   */
  | {
      readonly kind: 'release';
      readonly until: Date | null;
      readonly deferred?: boolean;
      readonly crashed?: boolean;
    }
  /** Becomes a dead letter, with its original bytes. */
  | {
      readonly kind: 'dead';
      readonly reason: DeadReason;
      readonly detail: string;
      readonly write?: StoreWrite;
      readonly history?: StoreWrite;
    };

/** A message on which this process holds a lease. It is settled exactly once. */
export interface Delivery {
  /** The queue from which it came. */
  readonly queue: string;
  /** The stored bytes, whatever they are. */
  readonly raw: Uint8Array;
  /** The message, or why its bytes are none. */
  readonly message: Decoded<WireMessage>;
  /** It was delivered before, and came back. */
  readonly redelivered: boolean;
  /**
   * It was a dead letter that was put back in two steps: there may be a second copy of it, which may have succeeded. Absent where putting
   * back is one step.
   */
  readonly replayed?: boolean;
  /** How many workers, or processes of their pools, died (or lost their lease) while they held it. */
  readonly crashes: number;
  /** How often `release` deferred it, with `deferred`. */
  readonly deferrals: number;
  /** It was sent to all subscribers, and is not kept: there is nothing to acknowledge. */
  readonly isBroadcast?: boolean;
  /** A worker deferred it until its time, and announced it to monitors (see {@link ConsumeOptions.onEarly}). */
  readonly isAnnounced?: boolean;
  /** Aborted with LeaseLostError when the lease has passed to another. */
  readonly lost: AbortSignal;
  /** Whether it has: the same as `lost.aborted`, without a signal for those who only look. */
  readonly isLost: boolean;
  /**
   * Resolves when it is known whether the lease is still ours: at once, unless the connection broke on which it came (then `lost` tells the
   * outcome). Absent where it is always known.
   * @throws BrokerUnavailable when it is not known yet: ask again
   */
  steady?(): Promise<void>;
  /** With `steady`: whether it is not known now. */
  readonly isAdrift?: boolean;
  /**
   * Settles it; resolves when that is durable. `fenced`: the lease had passed to another worker, nothing was written.
   * @throws BrokerUnavailable when the store refuses (full, gone): nothing was written, and it may be tried again
   */
  settle(settlement: Settlement): Promise<'settled' | 'fenced'>;
}

/** What a consumer takes, and under which name. */
export interface ConsumeOptions {
  /** The queues. Queues whose first messages are equally urgent are served in turn (round robin, as in kombu). */
  readonly queues: readonly string[];
  /** The node name, for people who look into the store. */
  readonly name: string;
  /** The messages of a dead owner are given to others after this time, milliseconds. */
  readonly leaseMs: number;
  /** The largest value of `capacity()`: how many messages a broker may push ahead. Default 8. */
  readonly slots?: number;
  /** How long a quarantined message runs alone, and how long the consumer waits before it claims one, milliseconds (see {@link Consumer.claim}). Default 10,000. */
  readonly quarantineMs?: number;
  /**
   * Called with each message that is deferred because its time has not come. Returns whether `task-received` was sent for it: then
   * it is not sent again when the message is due.
   */
  readonly onEarly?: (message: WireMessage, queue: string) => boolean;
  /** Called when something in the store cannot be kept in order, or settlements wait for it: what, why, and what to do; null: that is over. */
  readonly onTrouble?: (trouble: string | null) => void;
}

/** This process, as an owner of deliveries. */
export interface Consumer extends AsyncDisposable {
  /**
   * Claims messages: waits until there is at least one, and returns at most `capacity()`, which is read at the moment of
   * the claim. Returns an empty array when that is 0, or when `signal` is aborted. A claim that has begun is finished
   * first, so that nothing is in limbo.
   * A message is quarantined when two of its owners have died: it runs alone, so that no other message is charged if this worker dies, too.
   * The consumer claims a quarantined message only when it holds nothing, and claims nothing beside it. While a quarantined message waits and
   * other messages are held, the consumer claims nothing until those are settled. Both waits end after `quarantineMs`: then the quarantined message
   * is claimed beside the others, or others beside it. A consumer never holds two quarantined messages.
   */
  claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]>;
  /** Gives back what it still holds, and leaves the store. Safe to call twice. */
  close(): Promise<void>;
}

/** The number of a queue's messages. */
export interface QueueSize {
  /** Messages that could be claimed now. */
  readonly ready: number;
  /** Messages that wait for their time. */
  readonly scheduled: number;
  /** Messages that a worker holds. */
  readonly claimed: number;
}

/** How many bytes of messages `Transport.peek` returns. */
export const maxPeekedBytes = 1_000_000;

/** Which messages `Transport.peek` returns. */
export interface PeekOptions {
  /** `ready`: those that could be claimed now. `scheduled`: those that wait for their time, also if it has come and nobody has moved them yet. */
  readonly place: 'ready' | 'scheduled';
  /** Only the first ready message of each priority. Default false. */
  readonly heads?: boolean;
  /** `next`: what comes next is the first. `last`: the other way round. */
  readonly first: 'next' | 'last';
  /** At most this many messages. */
  readonly limit: number;
}

/** A message that waits. */
export interface PeekedMessage {
  /** How many messages of the same queue and place come before it; null with `heads`. */
  readonly position: number | null;
  /** Null: it is ready. */
  readonly due: Date | null;
  /** Null: it is left out, since all together would exceed {@link maxPeekedBytes}. */
  readonly message: Decoded<WireMessage> | null;
}

/** A message that could not be run, with the reason. */
export interface StoredDeadLetter {
  /** Grows: a later dead letter has a higher number. */
  readonly id: number;
  /** The queue in which it was. */
  readonly queue: string;
  /** Why it is one, for programs. */
  readonly reason: DeadReason;
  /** The reason in words, for people. */
  readonly detail: string;
  /** When it became one. */
  readonly diedAt: Date;
  /** How many workers, or processes of their pools, died while they held it. */
  readonly crashes: number;
  /** The message, byte for byte as it came. */
  readonly raw: Uint8Array;
}

/** Keeps messages that cannot be run. They stay until somebody replays or discards them. */
export interface DeadLetterStore {
  /** The newest first; `before`: only those that are older than this id. */
  list(options?: {
    readonly limit?: number;
    readonly before?: number;
    readonly queue?: string;
  }): Promise<readonly StoredDeadLetter[]>;
  /** The dead letter of this id; undefined: there is none. */
  get(id: number): Promise<StoredDeadLetter | undefined>;
  /** How many there are. */
  count(): Promise<number>;
  /** Puts it back into its queue, with its counts at 0. False: there is none. */
  replay(id: number): Promise<boolean>;
  /** Deletes it. False: there is none. */
  discard(id: number): Promise<boolean>;
  /**
   * Calls `visit` for each dead letter that there is now, the oldest first, and does what it returns before the next call. It fails if that
   * fails. Dead letters it has visited may be hidden from others until it ends. Absent where a single dead letter is found at once.
   */
  sweep?(
    visit: (id: number, read: () => StoredDeadLetter) => SweepAction | Promise<SweepAction>,
  ): Promise<void>;
}

/** What is done with a dead letter; `stop`: nothing, and the sweep ends. */
export type SweepAction = 'keep' | 'replay' | 'discard' | 'stop';

/** Moves messages between senders and workers. A store of your own implements it; `transportConformance` tests it. */
export interface Transport extends AsyncDisposable {
  /** `sqlite`, `memory`, `redis`, `amqp`. */
  readonly name: string;
  /** What it can do. */
  readonly features: TransportFeatures;
  /** The state of its connection now. */
  readonly status: TransportStatus;
  /** The identity of the store: a {@link StoreWrite} for the same store can travel with a settlement. */
  readonly store: object;
  /**
   * Sends; resolves when the store holds the messages as durably as it can.
   * @throws BrokerUnavailable when nothing was sent, UnroutableError when no queue would have got a message,
   * SendUnconfirmed when it is not known, the signal's reason when it was aborted before anything was sent
   */
  publish(publications: readonly Publication[], options?: PublishOptions): Promise<void>;
  /** Calls the listener at each change of `status`, until the returned function is called. */
  onStatus(listener: (status: TransportStatus) => void): () => void;
  /** Registers a consumer. */
  consume(options: ConsumeOptions): Promise<Consumer>;
  /** How many messages a queue has. */
  size(queue: string): Promise<QueueSize>;
  /** Names of the queues that hold messages. */
  queues(): Promise<readonly string[]>;
  /**
   * Deletes the messages that wait in the queue (also scheduled ones, but not claimed ones); returns their number. `deleted` gets the ids of the
   * tasks, some at a time, from transports that know them without reading each message here.
   */
  purge(queue: string, deleted?: (taskIds: readonly string[]) => Promise<void>): Promise<number>;
  /**
   * Changes messages that wait in a queue, as `decide` says; returns how many. Each is moved or deleted in one step if it still waits then: whatever
   * dies in between, none is lost, and none is there twice. Without `features.choosesWaiting` there may be two of one id after a crash (the second
   * finds the first's result), and `decide` must not keep a message. Messages that come, go or change their place meanwhile may be visited twice, or not.
   * A message that goes to another queue waits there behind, or among, messages of its priority. Absent where this cannot be done.
   * @throws BrokerUnavailable: some may have been changed
   */
  changeWaiting?(queue: string, changes: WaitingChanges): Promise<number>;
  /**
   * Messages of the queue that consumers hold, of all processes; nothing changes for them. Absent where the store does not tell (RabbitMQ).
   * @throws BrokerUnavailable
   */
  held?(queue: string, limit: number): Promise<readonly HeldMessage[]>;
  /**
   * Gives the held messages of a task back to the front of its queue, without counting a crash; returns how many. Their consumers are not told: what they
   * settle later is refused (`fenced`), and nothing of it is written; of two runs of one consumer the first that is settled may count. Present where `held` is.
   * @throws BrokerUnavailable
   */
  releaseHeld?(queue: string, taskId: string): Promise<number>;
  /** The messages that could not be run. */
  readonly deadLetters: DeadLetterStore;
  /** Locks of unique tasks. Absent where the store cannot keep them: then the result backend keeps them. */
  openLocks?(): Promise<Locks>;
  /**
   * Limits that all workers of the store share. Absent where the store cannot keep them: then the result backend keeps them.
   */
  openLimits?(options: LimitsOptions): Promise<Limits>;
  /** The limits in use, and changes nothing. Present where `openLimits` is. */
  readLimits?(reading: LimitReading): Promise<LimitReport>;
  /** What is paused. Absent where the store cannot keep it: then the result backend keeps it. */
  openPauses?(): Promise<PauseStore>;
  /** The stream by which recorders hear of tasks. Absent where the store cannot keep it: then they hear of them by events only. */
  openHistoryStream?(options: HistoryStreamOptions): Promise<HistoryStream>;
  /** The audit log. Absent where the store cannot keep it: then the result backend keeps it. */
  openAudit?(): Promise<AuditStore>;
  /**
   * Memory, connections, space on disk, for people: cheap, and what is unknown says why. Absent where there is nothing to know.
   * @throws BrokerUnavailable
   */
  health?(options: StoreHealthOptions): Promise<readonly HealthFigure[]>;
  /**
   * Messages that wait in this queue, without taking them: nothing changes for them, and for consumers. Scheduled messages of the embedded store
   * only if they are among the first (or last) ten thousand of all queues. Absent where looking at a message does it harm: RabbitMQ marks it
   * as delivered before, counts that, and hides it meanwhile.
   */
  peek?(queue: string, options: PeekOptions): Promise<readonly PeekedMessage[]>;
  /**
   * How many scheduled messages, of all queues, are due from each of these times (milliseconds since 1970, ascending) to before the next one. Absent where
   * scheduled messages cannot be reached.
   */
  dueCounts?(times: readonly number[]): Promise<readonly number[]>;
  /**
   * Makes scheduled messages of this queue ready whose time is exactly one of `due` (milliseconds since 1970), in front of all waiting
   * messages; returns their number. Absent where scheduled messages cannot be reached.
   */
  promote?(queue: string, due: readonly number[]): Promise<number>;
  /**
   * Moves messages to the front of their queues, to be claimed next: those whose stored text contains all texts of one of these groups.
   * Scheduled messages, and with `waiting` also waiting ones; held ones are left alone. Looks through all messages. Absent where that cannot
   * be done. Returns the number of messages.
   */
  promoteMatching?(
    groups: readonly (readonly string[])[],
    options: { readonly waiting: boolean },
  ): Promise<number>;
  /**
   * How many messages were due and found their queue missing, by the queue's name: they are kept until a worker serves it again. Absent
   * where a queue cannot go missing.
   */
  unroutable?(): Promise<ReadonlyMap<string, number>>;
  /** Broadcasts between processes. */
  readonly fanout: Fanout;
  /** Revocations, for workers that start later. */
  readonly revocations: RevocationStore;
  /** Closes its connections. Safe to call twice. */
  close(): Promise<void>;
}
