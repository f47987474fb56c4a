// The application of the tests of pools: loaded by the test, and again by each child.
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { App } from '../../../src/app/app.ts';
import { chain, group } from '../../../src/app/compose.ts';
import { Ignore, Reject } from '../../../src/app/running/outcome.ts';
import { sendEvent } from '../../../src/events/send-event.ts';
import { Decimal } from '../../../src/protocol/values.ts';

export const app = new App('pools', {
  broker: 'memory://',
  backend: 'memory://',
  workerMaxDeliveries: 3,
  taskSendSentEvent: true,
});

app.signals.workerProcessInit.connect(({ hostname }) => {
  process.env.POOL_CHILD = `of ${hostname}`;
});
app.signals.workerProcessShutdown.connect(() =>
  sendEvent(app, 'child-ended', { pid: process.pid, threadId }),
);
app.use({
  run: async (task, next) => {
    const value = await next();
    return task.name === 'pools.wrapped' ? `wrapped ${String(value)}` : value;
  },
});
export const wrapped = app.task('pools.wrapped', () => process.env.POOL_CHILD);

export const add = app.task('pools.add', (x: number, y: number) => x + y);
export const where = app.task('pools.where', () => ({ pid: process.pid, thread: threadId }));
export const typed = app.task('pools.typed', (at: Date) => ({
  next: new Date(at.getTime() + 1000),
  price: new Decimal('12.50'),
  big: 2n ** 70n,
}));
export const fail = app.task('pools.fail', () => {
  throw new RangeError('out of range', { cause: new Error('deep below') });
});
export const properties = app.task('pools.properties', { bind: true }, ({ request }) => ({
  properties: request.properties,
  deliveryInfo: request.deliveryInfo,
}));
export const again = app.task('pools.again', { bind: true, maxRetries: 2 }, (task, list: number[]) => {
  if (task.request.retries < 2) {
    throw task.retry(new Error('not yet'), { countdown: 0.01, args: [[...list, task.request.retries]] });
  }
  return list;
});
export const progress = app.task('pools.progress', { bind: true }, async (task) => {
  await task.updateState('PROGRESS', { done: 1 });
  task.logger.info({ step: 1 }, 'one step done');
  task.log('another');
  await task.updateState('PROGRESS', { done: 2 });
  return 'done';
});
export const parent = app.task('pools.parent', async () => {
  const child = await add.delay(20, 22);
  return child.get({ timeout: 60, allowSyncSubtasks: true });
});
export const tells = app.task('pools.tells', async () => {
  await sendEvent(app, 'order-shipped', { order: 17 });
  return (await add.delay(1, 1)).id;
});
export const patient = app.task('pools.patient', { bind: true, softTimeLimit: 0.3 }, async (task) => {
  await sleep(600_000, undefined, { signal: task.signal });
});
export const spin = app.task('pools.spin', { timeLimit: 0.5 }, () => {
  for (;;);
});
export const late = app.task('pools.late', async () => {
  setTimeout(() => {
    throw new Error('from a callback');
  }, 5);
  await sleep(600_000);
});
export const ignore = app.task('pools.ignore', () => {
  throw new Ignore();
});
export const reject = app.task('pools.reject', () => {
  throw new Reject('not for me');
});
export const unwritable = app.task('pools.unwritable', () => ({ handler: () => 1 }));
export const exit = app.task('pools.exit', (code: number) => {
  process.exit(code);
});
export const killed = app.task('pools.killed', () => {
  process.kill(process.pid, 'SIGKILL');
});
export const broken = app.task('pools.broken', () => {
  JSON.stringify = () => {
    throw new Error('not any more');
  };
});
export const early = app.task('pools.early', { acksLate: false }, () => {
  process.kill(process.pid, 'SIGKILL');
});
export const total = app.task('pools.total', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));
export const swap = app.task('pools.swap', { bind: true }, (task, n: number): number => {
  throw task.replace(chain(group([add.s(n, 1), add.s(n, 2)]), total.s()));
});
