// The thread of a pulse.
import { utimesSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { PulseData } from './pulse.ts';

const { file, everyMs } = workerData as PulseData; // `Pulse` gave it

setInterval(() => {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // The next beat tries again.
  }
}, everyMs);
