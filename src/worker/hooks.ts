import type { App } from '../app/app.ts';
import { runHooks } from '../app/running/run.ts';
import type { Logger } from '../lib/logger.ts';
import type { ExecutionOutcome } from './outcome.ts';
import type { Pool } from './pools/pool.ts';
import type { Run } from './run.ts';

/** Calls the task's hooks and the signals of its end; null: there are none. */
export type TaskHooks = (run: Run, outcome: ExecutionOutcome) => Promise<void> | null;

/** A pool with processes of its own calls the hooks there, unless the code was ended. */
export function taskHooks(app: App, pool: Pick<Pool, 'runsHooks'>, logger: Logger): TaskHooks {
  return (run, outcome) => callHooks(run, outcome, app, pool, logger);
}

function callHooks(
  run: Run,
  outcome: ExecutionOutcome,
  app: App,
  pool: Pick<Pool, 'runsHooks'>,
  logger: Logger,
): Promise<void> | null {
  if (outcome.kind === 'abandoned' || outcome.kind === 'lost' || outcome.kind === 'overran') return null;
  const { taskRejected, taskRevoked } = app.signals;
  if (outcome.kind === 'revoked')
    return taskRevoked.send({ message: run.message, reason: 'terminated' }, logger);
  const hooks = pool.runsHooks && !run.interrupted ? null : runHooks(run.task, run, outcome);
  if (outcome.kind !== 'rejected' || !taskRejected.connected) return hooks;
  const { id, queue } = run.request;
  const { reason } = outcome;
  return Promise.resolve(hooks).then(() => taskRejected.send({ id, queue, reason }, logger));
}
