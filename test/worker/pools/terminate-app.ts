// The application of the tests of termination: loaded by the test, and again by each child.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../../../src/app/app.ts';

export const app = new App('terminate', { broker: 'memory://', backend: 'memory://' });

const say = (file: string, word: string): void => appendFileSync(file, `${word}\n`);

export const waits = app.task('waits', async (file: string) => {
  say(file, 'begun');
  await sleep(600_000);
  say(file, 'ended');
});
export const tidies = app.task('tidies', async (file: string) => {
  process.on('SIGTERM', async () => {
    say(file, 'heard');
    await sleep(50);
    say(file, 'tidied');
    process.exit(0);
  });
  say(file, 'begun');
  await sleep(600_000);
});
export const stubborn = app.task('stubborn', async (file: string) => {
  process.on('SIGINT', () => say(file, 'heard'));
  say(file, 'begun');
  await sleep(600_000);
});
/** As one that computes: its event loop never goes round. */
export const blocks = app.task('blocks', (file: string) => {
  say(file, 'begun');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
export const pid = app.task('pid', () => process.pid);
