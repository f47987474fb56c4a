// The thread that ends this process when its parent is gone.
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';
import type { OrphanData } from './orphan.ts';

const { fd, afterMs } = workerData as OrphanData; // `dieWithParent` gave it
const pipe = new Socket({ fd, readable: true, writable: false });
pipe.on('error', () => undefined);
pipe.on('close', () => {
  if (afterMs > 0) setTimeout(kill, afterMs);
  else kill();
});
pipe.resume();

function kill(): void {
  process.kill(process.pid, 'SIGKILL');
}
