// The thread of a heartbeat file.
import { utimesSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { HeartbeatFileData } from './heartbeat-file.ts';

const { file, everyMs } = workerData as HeartbeatFileData; // set by `HeartbeatFile`

setInterval(() => {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // The next beat tries again.
  }
}, everyMs);
