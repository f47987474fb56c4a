import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { TaskMessage } from '../../protocol/message.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import type { Locks } from '../../stores/locks.ts';
import type { Delivery } from '../../stores/transport.ts';
import type { Settler } from '../settler.ts';

/** How long the second of two messages waits after the first has begun, milliseconds. */
const momentMs = 1500;
const pollIntervalMs = 100;

/**
 * Where a message and its acknowledgement are two steps (RabbitMQ), a fault between them leaves two messages of one id. Both may come to
 * workers in the same moment, and neither would see the other's end. So the second one waits a moment before it looks. A run that takes
 * longer is begun twice, like any run that was cut off.
 */
export class DuplicateGuard {
  readonly #settler: Pick<Settler, 'mayDuplicate' | 'retry'>;
  readonly #backend: ResultBackend | null;
  readonly #clock: Clock;
  #locks: Locks | null = null;

  constructor(settler: Pick<Settler, 'mayDuplicate' | 'retry'>, backend: ResultBackend | null, clock: Clock) {
    this.#settler = settler;
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Resolves when the task's end may be looked up: at once where there are no two messages, or the results have no locks. */
  async await({ id, retries }: TaskMessage, { lost }: Pick<Delivery, 'lost'>): Promise<void> {
    const backend = this.#backend;
    if (!this.#settler.mayDuplicate || backend?.openLocks === undefined) return;
    const lock = { key: `run:${id}:${retries}`, id: randomUUID(), ttlMs: momentMs, replace: false };
    const untilMs = this.#clock.monotonic() + 2 * momentMs;
    let isFirst = false;
    const take = async (): Promise<void> => {
      this.#locks ??= (await backend.openLocks?.()) ?? null;
      isFirst = this.#locks === null || (await this.#locks.take(lock)) === null;
    };
    while (this.#clock.monotonic() < untilMs) {
      if (!(await this.#settler.retry('look for a second message of a task', lost, take)) || isFirst) return;
      await this.#clock.sleep(pollIntervalMs);
    }
  }
}
