import type { Logger } from '../lib/logger.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Records } from './records.ts';
import { type Run, taskFields } from './run.ts';

interface TaskStatesParts {
  /** Node name. */
  readonly name: string;
  readonly backend: ResultBackend | null;
  readonly records: Records;
  readonly logger: Logger;
}

/** Stores states of tasks that have not ended. */
export class TaskStates {
  readonly #parts: TaskStatesParts;

  constructor(parts: TaskStatesParts) {
    this.#parts = parts;
  }

  /** The start does not wait for STARTED to be stored, and the task runs also without it. */
  started(run: Run): void {
    const { name, logger } = this.#parts;
    run.updateState('STARTED', { pid: process.pid, hostname: name }).catch((error: unknown) => {
      logger.warn(
        { err: error, ...taskFields(run.request) },
        `cannot store the state STARTED: ${String(error)}`,
      );
    });
  }

  async put(run: Run, state: TaskState, meta: unknown): Promise<void> {
    const record = this.#parts.records.state(run, state, meta);
    const { replyTo, correlationId } = run.request;
    if (record !== null) await this.#parts.backend?.put(record, { replyTo, correlationId });
  }
}
