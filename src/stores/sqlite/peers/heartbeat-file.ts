// A sign of life that user code cannot stop: a thread that touches a file.

import program from 'thread:./heartbeat-file.thread.ts';
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** With which the thread starts. */
export interface HeartbeatFileData {
  readonly file: string;
  readonly everyMs: number;
}

/** A thread of this process that touches `file` every `everyMs`: a blocked event loop does not stop it, SIGSTOP and death do. */
export class HeartbeatFile {
  readonly #thread: Worker;

  constructor(file: string, everyMs: number) {
    this.#thread = new Worker(program, {
      eval: true,
      workerData: { file, everyMs } satisfies HeartbeatFileData,
      // The thread does nothing but touch: it needs no flags of the main program, and little memory.
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 8, stackSizeMb: 1 },
    });
    this.#thread.unref();
  }

  async stop(): Promise<void> {
    await this.#thread.terminate();
  }
}

/** The file's last beat as a number that changes with each; null when there is no file. */
export function lastBeat(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null;
}
