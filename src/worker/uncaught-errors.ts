import type { Logger } from '../lib/logger.ts';
import type { ActiveTasks } from './active-tasks.ts';
import { taskLogFields } from './task-log-fields.ts';

/**
 * Catches errors of tasks that no code can catch: in a timer's callback, in a promise that is not awaited. Node would end the process, and
 * all other tasks with it. Dispose to remove the handlers.
 *
 * `handle` is called in the asynchronous context of the code that threw, so that its task can be found.
 */
export function onUncaughtError(handle: (error: Error, kind: 'exception' | 'rejection') => void): Disposable {
  const onException = (error: unknown): void => handle(asError(error), 'exception');
  const onRejection = (reason: unknown): void => handle(asError(reason), 'rejection');
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return {
    [Symbol.dispose]: () => {
      process.off('uncaughtException', onException);
      process.off('unhandledRejection', onRejection);
    },
  };
}

/** Logs the error, and fails the running task that threw it, if there is one. */
export function logUncaughtError(
  error: Error,
  kind: 'exception' | 'rejection',
  logger: Logger,
  active: Pick<ActiveTasks, 'failCurrent'> | undefined,
): void {
  const fields = { err: error, ...taskLogFields() };
  if (kind === 'rejection') {
    logger.error(fields, `an unhandled rejection: ${String(error)}`);
  } else if (active?.failCurrent(error)) {
    logger.error(fields, `a task threw outside of its promise, in a callback: ${String(error)}`);
  } else {
    logger.error(fields, `an uncaught exception, of no running task: ${String(error)}`);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`something was thrown that is no Error: ${String(thrown)}`, { cause: thrown });
}
