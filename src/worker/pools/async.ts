import { runTask } from '../../app/run.ts';
import type { Pool } from './pool.ts';

/** Runs tasks in the worker's own event loop: the default, right for work that mostly waits. It cannot end code, only ask it to by its signal. */
export const asyncPool: Pool = {
  name: 'async',
  execute: runTask,
  terminate: () => false,
};
