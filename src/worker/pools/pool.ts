// The contract of a pool: the place where tasks' code runs.

import type { Outcome } from '../../app/running/outcome.ts';
import type { RunContext } from '../../app/running/run.ts';
import type { AnyTask } from '../../app/task.ts';
import type { ProcessLost } from '../outcome.ts';

export interface Pool extends AsyncDisposable {
  /** `async`, `solo`, `threads`, `processes`. */
  readonly name: string;
  /** It tells the task's hooks and the signals of a run itself, where the code runs. */
  readonly runsHooks: boolean;
  /** Resolves when it can run tasks. @throws PoolError when it never will. */
  start(): Promise<void>;
  /**
   * Runs the task's code and its classification. Never rejects: a failure is an outcome. `begin` is called when the code begins, which may
   * be later: a child may have to be started; false: the run was ended meanwhile, and is not to begin.
   */
  execute(task: AnyTask, context: RunContext, begin: () => boolean): Promise<Outcome | ProcessLost>;
  /**
   * Ends the code of a run that was decided without it (its hard time limit, a cold shutdown), at once; or by the signal of this number,
   * which its code may hear and answer for a while, where there are signals.
   * False: this pool cannot, and the code may go on.
   */
  terminate(context: RunContext, signum: number | null): boolean;
  /** How many tasks it can run at a time, from now on. What runs is not ended for it. */
  resize(size: number): void;
  /** What each place is doing, for people. */
  report(): readonly PoolPlace[];
  /** Where the code of the tasks is that compute now, by their ids: where that can be had. */
  stacks?(): Promise<ReadonlyMap<string, string>>;
  /** Ends all of it. */
  stop(): Promise<void>;
}

export interface PoolPlace {
  /** A process's id; null for what is none. */
  readonly pid: number | null;
  /** The task's id; null: it is free. */
  readonly taskId: string | null;
  /** How many tasks it has run. */
  readonly ran: number;
}
