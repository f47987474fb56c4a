// The queues of an application's broker: how full they are, and what waits in them.

import type { SendOptions } from '../config/call-options.ts';
import { type Pause, pausesOf } from '../stores/pauses.ts';
import type { App } from './app.ts';
import type { DeadCall } from './dead-letters.ts';

/** Which waiting messages to show. */
export interface PeekQueueOptions {
  /** `ready` (default): what could be taken now. `scheduled`: what waits for its time. */
  readonly place?: 'ready' | 'scheduled';
  /** `next` (default): what comes next is the first; `last`: what comes last. */
  readonly first?: 'next' | 'last';
  /** Default 25, at most 1,000. Messages beyond one megabyte together are named, without their contents. */
  readonly limit?: number;
}

/** Which waiting messages to delete. */
export interface PurgeQueueOptions {
  /** Only tasks that this query means, in the language of the history; a message tells name, id, args, eta, retries and more, without a recorder. Default: all. */
  readonly query?: string;
  /** Only counts them. Default false. */
  readonly dryRun?: boolean;
}

/** Which waiting messages to move. */
export interface MoveQueueOptions extends PurgeQueueOptions {
  /** At most this number, those that come next first. Default: all. */
  readonly limit?: number;
}

/** Tasks that wait: an id, a list of ids, or a query, as of {@link PurgeQueueOptions}. */
export type WaitingChoice = string | readonly string[] | { readonly query: string };

/** What changes of a task that waits; what is left out stays. */
export type RescheduleChanges = Pick<SendOptions, 'eta' | 'countdown' | 'priority' | 'queue'>;

/** Options of `app.queues.reschedule` beside the changes. */
export interface RescheduleOptions {
  /** Only finds them. Default false. */
  readonly dryRun?: boolean;
}

/** The ids of the tasks that were changed. */
export interface TasksChanged {
  /** Those that were changed. */
  readonly done: readonly string[];
  /** Ids that were named and do not wait (any more). */
  readonly missing: readonly string[];
}

/** A message that waits in a queue. */
export interface WaitingTask {
  /** How many messages come before it, of those that are ready, or of those that are scheduled. */
  readonly position: number;
  /** When it is due; null: it is ready. */
  readonly due: Date | null;
  /** When it was sent, or when it was due if that was later; null: its id is not of Umbel, and does not tell. */
  readonly waitsSince: Date | null;
  /** Why there is no call; null: there is. */
  readonly problem: string | null;
  /** The call that the message carries; null: it cannot be read, see `problem`. */
  readonly call: (DeadCall & WaitingCall) | null;
}

interface WaitingCall {
  readonly priority: number;
  readonly parentId: string | null;
  readonly rootId: string;
}

/** A message that a worker of Umbel holds: it runs its task, or will. */
export interface HeldTask {
  /** The task's id; null: the message is too large to be shown with the others, or none that can be read. */
  readonly id: string | null;
  /** The task's name; null as `id`. */
  readonly task: string | null;
  /** Node name of the worker. */
  readonly worker: string;
  /** When it comes back if the worker is not heard of until then. Each worker renews one lease for all of its messages. Null: its death is seen at once. */
  readonly leaseEnds: Date | null;
}

/** A queue at this moment. */
export interface QueueState {
  /** The queue's name. */
  readonly name: string;
  /** Messages that a worker could take now. */
  readonly ready: number;
  /** RabbitMQ does not tell: 0. */
  readonly scheduled: number;
  /** Messages that workers hold; RabbitMQ tells only those of this process. */
  readonly claimed: number;
  /** Seconds for which the oldest ready message waits; null: none does, or it is not known. */
  readonly oldest: number | null;
  /** Tasks sent in a second; null: no recorder keeps the history, or senders do not tell (`taskSendSentEvent`). */
  readonly inRate: number | null;
  /** Tasks ended in a second; null: no recorder keeps the history. */
  readonly outRate: number | null;
  /** Seconds until nothing is ready, if the rates stay; null: it grows, or the rate of what ends is not known. Without `inRate` as if nothing were sent. */
  readonly drainsIn: number | null;
  /** Since when, by whom and why it is paused; null: it is not. */
  readonly paused: Omit<Pause, 'kind' | 'name'> | null;
}

/**
 * The queues. Each method opens the broker if it is not open, and throws BrokerUnavailable when it cannot be reached.
 * @example
 * const [next] = await app.queues.peek('mail');
 */
export class BrokerQueues {
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /**
   * The queues of the application's own settings, and those that hold messages, by name. Of RabbitMQ only those that the application knows: `also`
   * names others.
   */
  async list(also: Iterable<string> = []): Promise<readonly QueueState[]> {
    return (await import('./queue-states.ts')).queueStates(this.#app, also);
  }

  /**
   * The queues, and the kinds of tasks, that are paused, by kind and name. `Control.pause` pauses, `Control.resume` ends it. Empty where no store of
   * the application can keep pauses (RabbitMQ without such results).
   */
  async paused(): Promise<readonly Pause[]> {
    const store = await pausesOf(await this.#app.open());
    return (await store?.read()) ?? [];
  }

  /**
   * Messages that wait, without taking them.
   * @throws ConfigError, CannotPeekError on RabbitMQ, where looking at a message marks it as delivered before
   */
  async peek(queue: string, options: PeekQueueOptions = {}): Promise<readonly WaitingTask[]> {
    return (await import('./waiting-tasks.ts')).waitingTasks(this.#app, queue, options);
  }

  /**
   * Messages of a queue that workers of Umbel hold, as the store knows them; `limit` is 100 unless it is set. Python's workers are asked: `control.inspect()`.
   * @throws CannotReleaseError on RabbitMQ, which does not tell
   */
  async held(queue: string, options: { readonly limit?: number } = {}): Promise<readonly HeldTask[]> {
    return (await import('./held-tasks.ts')).heldTasks(this.#app, queue, options.limit);
  }

  /**
   * Gives a held message back to the front of its queue, for a worker that hangs. Its worker is not told: if it still runs the task, the task runs twice.
   * What that worker settles later is refused: neither its result nor what follows from it is written, where results are in the store of messages. False: no
   * worker of Umbel holds it.
   * @throws CannotReleaseError on RabbitMQ
   */
  async release(queue: string, id: string): Promise<boolean> {
    return (await import('./held-tasks.ts')).releaseTask(this.#app, queue, id);
  }

  /**
   * Deletes messages that wait, for good, and where the store can, the records that they were sent. Those that workers hold stay, and on RabbitMQ
   * those that wait for their time. Returns their number.
   * @throws QuerySyntaxError; CannotChangeWaitingError for a query on RabbitMQ
   */
  async purge(queue: string, options: PurgeQueueOptions = {}): Promise<number> {
    return (await import('./change-waiting.ts')).purgeQueue(this.#app, queue, options);
  }

  /**
   * Moves messages that wait, ready and scheduled, to another queue; returns their number. They keep their bytes, times and priorities. Each is moved
   * in one step: whatever dies meanwhile, none is lost, and none is in both queues. RabbitMQ publishes and then acknowledges: a death in between leaves
   * two messages of one id, and the second finds the first's result; there scheduled messages stay.
   * @throws ConfigError, QuerySyntaxError, ReservedNameError; CannotChangeWaitingError for a query on RabbitMQ; BrokerUnavailable: some may have been
   * moved
   * @example await app.queues.move('mail', 'slow', { query: 'name:mail.newsletter', limit: 1_000 });
   */
  async move(from: string, to: string, options: MoveQueueOptions = {}): Promise<number> {
    return (await import('./change-waiting.ts')).moveWaiting(this.#app, from, to, options);
  }

  /**
   * Makes tasks ready that wait for their time (an eta, a countdown, a retry's delay): they join their queues as if it had come. Each is changed in one
   * step: it is never lost, and never there twice. All queues are looked through.
   * @throws ConfigError, QuerySyntaxError; CannotChangeWaitingError on RabbitMQ; BrokerUnavailable: some may have been promoted
   * @example await app.queues.promote({ query: 'name:mail.* eta:<1d' });
   */
  async promote(which: WaitingChoice, options: RescheduleOptions = {}): Promise<TasksChanged> {
    return (await import('./reschedule.ts')).promote(this.#app, which, options);
  }

  /**
   * Changes the time, the queue or the priority of tasks that wait, ready or not. As {@link promote}; what a worker holds is not changed.
   * @throws as {@link promote}, and ReservedNameError for the queue
   * @example await app.queues.reschedule(id, { countdown: '10m', priority: 'low' });
   */
  async reschedule(
    which: WaitingChoice,
    changes: RescheduleChanges,
    options: RescheduleOptions = {},
  ): Promise<TasksChanged> {
    return (await import('./reschedule.ts')).reschedule(this.#app, which, changes, options);
  }
}
