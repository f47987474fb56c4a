import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

const watch = new URL('../../src/worker/pools/child/orphan.ts', import.meta.url).href;
/** Never comes back to its event loop, as a task may do. */
const child = `
import { dieWith } from ${JSON.stringify(watch)};
dieWith(process.ppid);
process.stdout.write('child ' + process.pid + '\\n', () =>
  setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 100));
`;
const parent = `
const { spawn } = require('node:child_process');
const args = ['--import', 'tsx', '--input-type=module', '--eval', ${JSON.stringify(child)}];
spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
`;

describe('a process of a pool', () => {
  it('ends with its worker, though its task blocks its event loop for ever', async () => {
    const worker = spawn(process.execPath, ['--eval', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(worker.stdout), 'line');
    const pid = Number(/^child (\d+)$/.exec(String(line))?.[1]);
    try {
      await sleep(300); // blocked by now
      expect(isRunning(pid)).toBe(true);
      worker.kill('SIGKILL');
      const late = Date.now() + 20_000;
      while (isRunning(pid) && Date.now() < late) await sleep(50);
      expect(isRunning(pid)).toBe(false);
    } finally {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    }
  }, 45_000);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
