import { threadId } from 'node:worker_threads';

/** Where a task runs. */
export const place = (): string => `${process.pid}/${threadId}`;
