import { UmbelError } from '../errors.ts';

/** The command line is wrong. Exit code 2. */
export class UsageError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_USAGE', message, options);
  }
}

/** A background program ended during its start, with this exit code and these last lines. */
export class NotStarted extends UmbelError {
  readonly exitCode: number | null;

  constructor(name: string, exitCode: number | null, message: string) {
    super('UMBEL_NOT_STARTED', `${name} did not start: ${message.replace(/^umbel: /, '')}`);
    this.exitCode = exitCode;
  }
}

/** The meanings of exit codes. */
export const exitCode = {
  ok: 0,
  /** The task failed, the requested thing does not exist, or the store could not be reached. */
  failed: 1,
  usage: 2,
  /** `result`: the task has not ended yet. */
  notReady: 3,
  /** `status`, `inspect`, `control`: no worker answered (Celery's EX_UNAVAILABLE). */
  unavailable: 69,
  /** Another process has the pid file (Celery's EX_CANTCREAT). */
  cannotCreate: 73,
} as const;
