import type { AnyTask } from '../app/task.ts';
import type { Config } from '../config/config.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { RunLimits } from './run.ts';

export interface TimeLimitRules {
  /** Set while the worker runs, by task; they go before the tasks' own. */
  readonly timeLimits: ReadonlyMap<string, RunLimits>;
  /** The worker's own, instead of the configured ones. */
  readonly limits: { readonly soft: number | null; readonly hard: number | null };
  readonly config: Pick<Config, 'taskSoftTimeLimit' | 'taskTimeLimit'>;
}

/** Celery's order: what the message says, else the task, else the worker, else the configuration. */
export function timeLimitsOf(
  { name, options }: AnyTask,
  message: TaskMessage,
  rules: TimeLimitRules,
): RunLimits {
  const { limits, timeLimits, config } = rules;
  const override = timeLimits.get(name);
  if (override !== undefined)
    return { soft: message.softTimeLimit || override.soft, hard: message.timeLimit || override.hard };
  return {
    soft: message.softTimeLimit || limitOf(options.softTimeLimit, config.taskSoftTimeLimit, limits.soft), // 0 is Python's way to say none
    hard: message.timeLimit || limitOf(options.timeLimit, config.taskTimeLimit, limits.hard),
  };
}

/** A task that says nothing has the configured limit in its options. */
function limitOf(own: number | null, configured: number | null, ours: number | null): number | null {
  return own === configured ? (ours ?? own) : own;
}
