// Commands that only read, each with the type of its answer.
import type { Json } from '../protocol/message.ts';
import type { Answers } from './mailbox.ts';

/** A task that a worker holds, as Celery describes it. */
export interface TaskInfo {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly hostname: string;
  /** Seconds since 1970; null: it has not begun. */
  readonly time_start: number | null;
  readonly acknowledged: boolean;
  readonly delivery_info: Json;
  readonly worker_pid: number | null;
}

/** Answers by node name. */
export interface Typed<T> extends Omit<Answers, 'replies'> {
  readonly replies: ReadonlyMap<string, T>;
}

type Ask = (method: string, args: Json) => Promise<Answers>;

export class Inspect {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

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

  activeQueues(): Promise<Typed<readonly Json[]>> {
    return this.#typed('active_queues');
  }

  revoked(): Promise<Typed<readonly string[]>> {
    return this.#typed('revoked');
  }

  stats(): Promise<Typed<Json>> {
    return this.#typed('stats');
  }

  /** Settings in Celery's spelling, secrets hidden. */
  conf(withDefaults = false): Promise<Typed<Json>> {
    return this.#typed('conf', { with_defaults: withDefaults });
  }

  report(): Promise<Typed<{ readonly ok: string }>> {
    return this.#typed('report');
  }

  clock(): Promise<Typed<{ readonly clock: number }>> {
    return this.#typed('clock');
  }

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
