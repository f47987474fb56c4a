// A program with a worker, as a user would write it. It says on its standard output what happens in it.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../../src/app/app.ts';
import { currentTask } from '../../src/app/running/context.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { taskLogFields, Worker } from '../../src/worker/worker.ts';

const [broker = ''] = process.argv.slice(2);
const say = (word: string, fields: object = {}): void =>
  console.log(JSON.stringify({ word, pid: process.pid, ...fields }));

const app = new App('program', { broker, workerLease: 2, workerConcurrency: 4 });

app.task('quick', (word: string) => word);
app.task('slow', { bind: true }, async (task, seconds: number) => {
  say('begun', { id: task.request.id });
  task.signal.addEventListener('abort', () => say('aborted', { reason: (task.signal.reason as Error).name })); // always one of ours
  await sleep(seconds * 1000);
  say('done', { id: task.request.id });
});
app.task('held', { bind: true }, async (task, gate: string) => {
  say('begun', { id: task.request.id });
  while (!existsSync(gate)) await sleep(10);
  say('done', { id: task.request.id });
});
app.task('block', { bind: true }, (task, seconds: number) => {
  say('begun', { id: task.request.id });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
  return 'unblocked';
});
app.task('throw.in.timer', async () => {
  setTimeout(() => {
    throw new Error('in a timer');
  }, 1);
  await new Promise(() => undefined);
});
app.task('forget.a.promise', async () => {
  void Promise.reject(new Error('forgotten'));
  await sleep(50);
  return currentTask()?.request.id;
});

const log = (level: string) => (fields: object, text: string) =>
  say('log', { level, text, ...taskLogFields(), ...fields });
const logger: Logger = {
  debug: log('debug'),
  info: log('info'),
  warn: log('warn'),
  error: log('error'),
  child: () => logger,
};

app.signals.workerReady.connect(() => say('ready'));
const how = await new Worker(app, { logger, name: 'program@here' }).run();
say('stopped', { how });
await app.close();
process.exit();
