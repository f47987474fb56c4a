// Prints the result of a task, for people and programs.
import { TaskFailedError, TaskRevokedError, TimeoutError } from '../errors.ts';
import type { AsyncResult } from '../results/async-result.ts';
import { type Output, shown } from './output.ts';
import { exitCode } from './usage.ts';

export interface ReportOptions {
  /** How long to wait, seconds; 0: read once; undefined: without limit. */
  readonly timeout: number | undefined;
  /** Whether to print the stack of a failed task's error. */
  readonly traceback: boolean;
}

/** How long the store may take to return an existing result, seconds. */
const readingSeconds = 10;

/** Prints the result of a task, and returns the matching exit code. */
export async function reportResult(
  result: AsyncResult<unknown>,
  output: Output,
  options: ReportOptions,
): Promise<number> {
  const { id } = result;
  if (options.timeout === 0 && !(await result.ready())) {
    if (await result.exists()) return notEnded(result, output);
    output.note(`umbel: unknown task ${id}; its result may have expired, or it was sent to another store`);
    output.data({ id, state: 'PENDING', known: false });
    return exitCode.failed;
  }
  try {
    const timeout = options.timeout === 0 ? readingSeconds : options.timeout;
    const value = await result.get(timeout === undefined ? {} : { timeout });
    output.data({ id, state: 'SUCCESS', result: value });
    output.say(shown(value, output.colors));
    return exitCode.ok;
  } catch (error) {
    if (error instanceof TimeoutError) return notEnded(result, output);
    if (error instanceof TaskFailedError) {
      const { remoteType: type, remoteMessage: message, remoteStack: stack } = error;
      output.data({
        id,
        state: 'FAILURE',
        error: { type, message, traceback: options.traceback ? stack : undefined },
      });
      output.note(options.traceback && stack ? stack.trimEnd() : `${type}: ${message}`);
      return exitCode.failed;
    }
    if (error instanceof TaskRevokedError) {
      output.data({ id, state: 'REVOKED', reason: error.reason });
      output.note(`the task was ${error.reason}`);
      return exitCode.failed;
    }
    throw error;
  }
}

async function notEnded(result: AsyncResult<unknown>, output: Output): Promise<number> {
  const state = await result.status();
  output.data({ id: result.id, state });
  output.note(`not ended yet: ${state}`);
  return exitCode.notReady;
}
