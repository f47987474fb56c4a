// The contract of a pool: the place where tasks' code runs.

import type { Outcome } from '../../app/outcome.ts';
import type { RunContext } from '../../app/run.ts';
import type { AnyTask } from '../../app/task.ts';

export interface Pool {
  /** `async`. */
  readonly name: string;
  /** Runs the task's code and its classification. Never rejects: a failure is an outcome. */
  execute(task: AnyTask, context: RunContext): Promise<Outcome>;
  /**
   * Ends the code of a run that was decided without it (its hard time limit, a cold shutdown).
   * False: this pool cannot, and the code may go on.
   */
  terminate(context: RunContext): boolean;
}
