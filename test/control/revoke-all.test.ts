import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Control } from '../../src/control/control.ts';
import { ConfigError, QuerySyntaxError } from '../../src/errors.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newApp, newFolder, recordIn, sizeOf, startWorker } from '../worker/bench.ts';

const whom = { destination: ['celery@here'], ...patience };

async function recorded(app: App): Promise<Recorder> {
  const recorder = new Recorder(app);
  onTestFinished(() => recorder.stop());
  await recorder.start();
  return recorder;
}

/** All tasks that a query finds end as REVOKED, and no other. */
async function revokesAll(app: App): Promise<void> {
  const ran: unknown[] = [];
  const add = app.task('shop.add', (n: number) => void ran.push(n));
  const recorder = await recorded(app);
  const send = (n: number, countdown: number) => add.applyAsync([n], { countdown });
  // One is sent before there is a worker that puts it into the schedule.
  const first = await send(1, 3_600);
  await using control = new Control(app);
  await startWorker(app, { taskEvents: true });
  const [second, other, ended] = [await send(2, 36_000), await send(3, 3_600), await add.delay(4)];
  await ended.get(patience);
  await until(async () => (await sizeOf(app))[1] === 3);
  await until(async () => {
    await recorder.flush();
    const { SUCCESS, PENDING = 0, RECEIVED = 0 } = await app.history.counts();
    return SUCCESS === 1 && PENDING + RECEIVED === 3;
  });
  const query = 'args.0:1 OR args.0:2 OR args.0:4';
  const found = [first.id, second.id].sort();
  const dry = await control.revokeAll(query, { dryRun: true });
  expect([[...dry.ids].sort(), dry.replies.size]).toEqual([found, 0]);
  const { ids, replies } = await control.revokeAll(query, whom);
  expect([...ids].sort()).toEqual(found);
  expect([...replies.keys()]).toEqual(['celery@here']);
  for (const id of found) await recordIn(app, id, 'REVOKED');
  expect(await sizeOf(app)).toEqual([0, 1, 0]);
  expect(ran).toEqual([4]);
  expect(await other.state()).toBe('PENDING');
}

test('all tasks that a query finds and that have not ended are revoked, those that wait for their time at once', async () => {
  await revokesAll(await newApp('sqlite', { taskSendSentEvent: true }));
});

needs(describe, noRedis)('on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test('they are revoked, too', async () => {
    const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
    await using app = new App('shop', { broker: server.url(6), historyStore, taskSendSentEvent: true });
    await revokesAll(app);
  });
});

test('a query that is empty or wrong is refused, and one that finds nothing asks nobody', async () => {
  const app = await newApp('sqlite');
  await using control = new Control(app);
  await expect(control.revokeAll(' ')).rejects.toThrow(ConfigError);
  await expect(control.revokeAll('nmae:x')).rejects.toThrow(QuerySyntaxError);
  await expect(control.revokeAll('name:x) OR (name:y')).rejects.toThrow(QuerySyntaxError);
  expect(await control.revokeAll('name:x', { timeout: 3_600 })).toEqual({
    ids: [],
    replies: new Map(),
    silent: [],
  });
});
