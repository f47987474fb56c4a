// A heartbeat that user code cannot block: a thread that touches a file.

import program from 'thread:./heartbeat-file.thread.ts';
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** The thread's start data. */
export interface HeartbeatFileData {
  readonly file: string;
  readonly everyMs: number;
}

/** A thread of this process that touches `file` every `everyMs` milliseconds. A blocked event loop does not stop it; SIGSTOP and a crash do. */
export class HeartbeatFile {
  readonly #thread: Worker;

  constructor(file: string, everyMs: number) {
    this.#thread = new Worker(program, {
      eval: true,
      workerData: { file, everyMs } satisfies HeartbeatFileData,
      // The thread only touches a file: it needs little memory, and none of the main program's flags.
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

/** The last heartbeat in a file, as a number that changes with each; null when there is no file. */
export function lastBeat(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null;
}
