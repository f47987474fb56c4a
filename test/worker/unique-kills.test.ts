// A sender of a unique task is killed: what it leaves is the lock with its task, or neither.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { UniquePolicy } from '../../src/config/unique-options.ts';
import { isLong } from '../run/scale.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { until } from '../until.ts';
import { moduleOf, recordIn, sizeOf } from './bench.ts';
import { appOn, type Broker, onEachBroker, workerOf } from './everywhere.ts';

const program = moduleOf('test/worker/unique-sender.ts');

interface Place {
  readonly app: App;
  readonly send: (tenant: string) => Promise<{ readonly id: string }>;
}

function placeOn(broker: string, policy: UniquePolicy): Place {
  const app = appOn({ broker, backend: broker });
  const report = app.task('report', { unique: { key: 0, policy } }, (tenant: string) => `of ${tenant}`);
  return { app, send: (tenant) => report.delay(tenant) };
}

/** Lets a sender of `by-child` go as far as the point, and no further. */
async function killedSender(broker: string, policy: UniquePolicy, point: string): Promise<void> {
  const proxy = broker.startsWith('redis')
    ? await FaultProxy.before(Number(new URL(broker).port), 'redis')
    : null;
  onTestFinished(() => proxy?.[Symbol.asyncDispose]());
  const url = proxy === null ? broker : broker.replace(/:\d+\//, `:${proxy.port}/`);
  const child = fork(program, [url, policy, point], { execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await once(child, 'message');
  const loss = proxy?.lose(
    point === 'before it came' ? 'request' : 'reply',
    1,
    point === 'before it came' ? 'EVALSHA' : '',
  );
  child.send('go');
  if (loss) {
    await until(() => loss.lost !== null);
    child.kill('SIGKILL');
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
}

/** Where the lock is, and what waits. */
async function left({ app }: Place): Promise<readonly [owner: string | null, waiting: number]> {
  const broker = await app.broker();
  const locks = await broker.openLocks?.();
  if (locks === undefined) throw new Error('no locks');
  const key = 'report|a';
  return [await locks.owner(key), (await sizeOf(app))[0]];
}

/** The sender has sent another call before. */
const theirs = 1;

const points = {
  sqlite: { none: 'in the transaction', both: 'when it is sent' },
  redis: { none: 'before it came', both: 'before the answer came' },
};

/** In the default run one store: each case is a process or more. */
const brokers: readonly Broker[] = isLong ? ['sqlite', 'redis'] : ['sqlite'];

onEachBroker(brokers, (broker, newUrls) => {
  const { none, both } = points[broker === 'redis' ? 'redis' : 'sqlite'];

  it(`killed ${none} it leaves neither: the next call is sent, and what was to be replaced runs`, async () => {
    const [free, old] = [
      placeOn((await newUrls()).broker, 'reject'),
      placeOn((await newUrls()).broker, 'replace'),
    ];
    const first = await old.send('a');
    await Promise.all([
      killedSender(free.app.config.broker, 'reject', none),
      killedSender(old.app.config.broker, 'replace', none),
    ]);
    expect(await left(free)).toEqual([null, 0 + theirs]);
    expect(await left(old)).toEqual([first.id, 1 + theirs]);
    await workerOf(free.app);
    await workerOf(old.app);
    expect((await recordIn(free.app, (await free.send('a')).id, 'SUCCESS')).result).toBe('of a');
    await recordIn(old.app, first.id, 'SUCCESS');
  });

  it(`killed ${both} it leaves both: the lock is its task's until that has ended, and then free`, async () => {
    const [rejects, returns, replaces] = [
      placeOn((await newUrls()).broker, 'reject'),
      placeOn((await newUrls()).broker, 'return existing'),
      placeOn((await newUrls()).broker, 'replace'),
    ];
    const first = await replaces.send('a');
    await Promise.all([
      killedSender(rejects.app.config.broker, 'reject', both),
      killedSender(returns.app.config.broker, 'return existing', both),
      killedSender(replaces.app.config.broker, 'replace', both),
    ]);
    expect(await left(rejects)).toEqual(['by-child', 1 + theirs]);
    expect(await left(returns)).toEqual(['by-child', 1 + theirs]);
    expect(await left(replaces)).toEqual(['by-child', 2 + theirs]);
    await expect(rejects.send('a')).rejects.toMatchObject({ existingId: 'by-child' });
    expect((await returns.send('a')).id).toBe('by-child');
    for (const { app } of [rejects, returns, replaces]) await workerOf(app);
    await recordIn(replaces.app, first.id, 'REVOKED');
    for (const place of [rejects, returns, replaces]) {
      await recordIn(place.app, 'by-child', 'SUCCESS');
      await until(async () => (await left(place))[0] === null);
    }
    expect((await returns.send('a')).id).not.toBe('by-child');
  });
});
