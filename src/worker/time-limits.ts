import type { AnyTask } from '../app/task.ts';
import type { Config } from '../config/config.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { RunLimits } from './run.ts';

export interface TimeLimitRules {
  /** Limits set while the worker runs, by task; they replace the tasks' own. */
  readonly timeLimits: ReadonlyMap<string, RunLimits>;
  /** Limits of the worker's options; they replace the configured ones. */
  readonly limits: { readonly soft: number | null; readonly hard: number | null };
  readonly config: Pick<Config, 'taskSoftTimeLimit' | 'taskTimeLimit'>;
}

/** Celery's order: the message's limit, else the task's, else the worker's, else the configured one. */
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
    soft: message.softTimeLimit || limitOf(options.softTimeLimit, config.taskSoftTimeLimit, limits.soft), // 0 means none in Python
    hard: message.timeLimit || limitOf(options.timeLimit, config.taskTimeLimit, limits.hard),
  };
}

/** A task without a limit of its own has the configured one in its options. */
function limitOf(own: number | null, configured: number | null, ours: number | null): number | null {
  return own === configured ? (ours ?? own) : own;
}
