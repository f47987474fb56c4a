// Commands that only read, each with the type of its answer.
import type { Json } from '../protocol/message.ts';
import type { Answers } from './mailbox.ts';

/** A task that a worker holds, as Celery describes it. */
export interface TaskInfo {
  /** The task's id. */
  readonly id: string;
  /** The task's name. */
  readonly name: string;
  /** The task's name, once more, as Celery has it. */
  readonly type: string;
  /** The positional arguments, as JSON or as Python's repr. */
  readonly args: unknown;
  /** The keyword arguments, as JSON or as Python's repr. */
  readonly kwargs: unknown;
  /** Node name of the worker that has it. */
  readonly hostname: string;
  /** Seconds since 1970; null: it has not begun. */
  readonly time_start: number | null;
  /** Its message is removed from the broker. */
  readonly acknowledged: boolean;
  /** How its message came: exchange, routing key, priority. */
  readonly delivery_info: Json;
  /** The process in which it runs; null: it does not run. */
  readonly worker_pid: number | null;
}

/** Answers by node name. */
export interface Typed<T> extends Omit<Answers, 'replies'> {
  /** The replies by node name. */
  readonly replies: ReadonlyMap<string, T>;
}

type Ask = (method: string, args: Json) => Promise<Answers>;

/** Asks workers what they know and do. Each method throws BrokerUnavailable when the broker cannot be reached. */
export class Inspect {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Which workers live. */
  ping(): Promise<Typed<{ readonly ok: 'pong' }>> {
    return this.#typed('ping');
  }

  /** Running tasks. `safe`: arguments as Python reprs. */
  active(safe = false): Promise<Typed<readonly TaskInfo[]>> {
    return this.#typed('active', { safe });
  }

  /** Tasks that were claimed and have not begun. */
  reserved(): Promise<Typed<readonly TaskInfo[]>> {
    return this.#typed('reserved');
  }

  /** Tasks that wait for their time. Python's workers list what they hold; ours the next hundred of their queues, in the store (on RabbitMQ those that they deferred themselves). */
  scheduled(): Promise<Typed<readonly { readonly eta: string; readonly request: TaskInfo }[]>> {
    return this.#typed('scheduled');
  }

  /** What workers do with these tasks. */
  queryTask(
    ...ids: readonly string[]
  ): Promise<Typed<Readonly<Record<string, readonly [string, TaskInfo]>>>> {
    return this.#typed('query_task', { ids });
  }

  /** Registered tasks; `attributes` are added to each, as `name [rate_limit=10/m]`. */
  registered(...attributes: readonly string[]): Promise<Typed<readonly string[]>> {
    return this.#typed('registered', { taskinfoitems: attributes });
  }

  /** The queues that each serves. */
  activeQueues(): Promise<Typed<readonly Json[]>> {
    return this.#typed('active_queues');
  }

  /** The ids of revoked tasks that each knows. */
  revoked(): Promise<Typed<readonly string[]>> {
    return this.#typed('revoked');
  }

  /** Counts and settings of each: tasks by name, pool, broker, uptime in seconds. */
  stats(): Promise<Typed<Json>> {
    return this.#typed('stats');
  }

  /** Settings in Celery's spelling, secrets hidden. */
  conf(withDefaults = false): Promise<Typed<Json>> {
    return this.#typed('conf', { with_defaults: withDefaults });
  }

  /** A text about each, for bug reports, without secrets. */
  report(): Promise<Typed<{ readonly ok: string }>> {
    return this.#typed('report');
  }

  /** The logical clock of each. */
  clock(): Promise<Typed<{ readonly clock: number }>> {
    return this.#typed('clock');
  }

  /** The memory that each uses. */
  memsample(): Promise<Typed<unknown>> {
    return this.#typed('memsample');
  }

  /** A command of your own, or one that has no method here. */
  async custom<T = unknown>(method: string, args: Json = {}): Promise<Typed<T>> {
    return this.#typed(method, args);
  }

  async #typed<T>(method: string, args: Json = {}): Promise<Typed<T>> {
    return (await this.#ask(method, args)) as Typed<T>; // Celery's forms; a worker that answers in another form does so on its own account
  }
}
