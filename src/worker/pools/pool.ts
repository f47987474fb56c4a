// The contract of a pool, which runs the code of tasks.

import type { Outcome } from '../../app/running/outcome.ts';
import type { RunContext } from '../../app/running/run.ts';
import type { AnyTask } from '../../app/task.ts';
import type { ProcessLost } from '../outcome.ts';

export interface Pool extends AsyncDisposable {
  /** `async`, `solo`, `threads`, `processes`. */
  readonly name: string;
  /** It calls the task's hooks and the signals of a run itself, where the code runs. */
  readonly runsHooks: boolean;
  /** Resolves when it can run tasks. @throws PoolError when it never will. */
  start(): Promise<void>;
  /**
   * Runs the task's code and classifies its end. Never rejects: a failure is an outcome. `begin` is called when the code begins, which may be
   * later, since a child may have to be started. If `begin` returns false, the run was ended meanwhile, and must not begin.
   */
  execute(task: AnyTask, context: RunContext, begin: () => boolean): Promise<Outcome | ProcessLost>;
  /**
   * Ends the code of a run whose outcome was decided without it (a hard time limit, a cold shutdown): at once, or by the signal of this number,
   * which the code may handle for a while, where there are signals.
   * False: this pool cannot, and the code may go on.
   */
  terminate(context: RunContext, signum: number | null): boolean;
  /** Sets how many tasks it runs at a time. Running tasks are not ended for it. */
  resize(size: number): void;
  /** What each place is doing, for people. */
  report(): readonly PoolPlace[];
  /** The stacks of tasks that compute now, by task id, where they can be had. */
  stacks?(): Promise<ReadonlyMap<string, string>>;
  /** Ends all of it. */
  stop(): Promise<void>;
}

export interface PoolPlace {
  /** The process's id; null where there is none. */
  readonly pid: number | null;
  /** The task's id; null: the place is free. */
  readonly taskId: string | null;
  /** How many tasks it has run. */
  readonly ran: number;
}
