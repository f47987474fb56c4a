import { UmbelError } from '../errors.ts';

/** The command was called in a way that it does not understand. Exit code 2. */
export class UsageError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_USAGE', message, options);
  }
}

/** What was to run in the background ended at once: with this exit code, and these last words. */
export class NotStarted extends UmbelError {
  readonly exitCode: number | null;

  constructor(name: string, exitCode: number | null, message: string) {
    super('UMBEL_NOT_STARTED', `${name} did not start: ${message.replace(/^umbel: /, '')}`);
    this.exitCode = exitCode;
  }
}

/** What the command's exit code says. */
export const exitCode = {
  ok: 0,
  /** The task failed, the thing asked for is not there, or the store could not be reached. */
  failed: 1,
  usage: 2,
  /** `result`: the task has not ended yet. */
  notReady: 3,
  /** `status`, `inspect`, `control`: no worker answered (Celery's EX_UNAVAILABLE). */
  unavailable: 69,
  /** The pid file is another's (Celery's EX_CANTCREAT). */
  cannotCreate: 73,
} as const;
