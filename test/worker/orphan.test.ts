import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../until.ts';

const watch = new URL('../../build/src/worker/pools/child/orphan.js', import.meta.url).href;

/** Starts the child as a pool does. */
const parentOf = (child: string): string => `
const { spawn } = require('node:child_process');
const args = ['--input-type=module', '--eval', ${JSON.stringify(child)}];
spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'pipe'] });
`;

it.each([
  ['', ''],
  [', also one that was still starting', 'while (process.ppid === parent);'],
])('a process of a pool ends with its worker, though its task blocks its event loop for ever%s', async (_, wait) => {
  const child = `
    import { writeSync } from 'node:fs';
    import { dieWithParent } from ${JSON.stringify(watch)};
    const parent = process.ppid;
    writeSync(1, 'child ' + process.pid + '\\n');
    ${wait}
    dieWithParent();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  `;
  const worker = spawn(process.execPath, ['--eval', parentOf(child)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  const [line] = await once(createInterface(worker.stdout), 'line');
  const pid = Number(/^child (\d+)$/.exec(String(line))?.[1]);
  try {
    expect(isRunning(pid)).toBe(true);
    worker.kill('SIGKILL');
    await until(() => !isRunning(pid), 'the end of the child');
  } finally {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  }
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
