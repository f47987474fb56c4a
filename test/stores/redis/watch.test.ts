import { setMaxListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StoreError, TimeoutError } from '../../../src/errors.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { AsyncResult } from '../../../src/results/async-result.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { openRedisBackend } from '../../../src/stores/redis/redis-backend.ts';
import { needs } from '../../needs.ts';
import { scaled } from '../../run/scale.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patience, patienceMs } from '../../until.ts';

function record(taskId: string, status = 'SUCCESS', result: unknown = 5): ResultRecord {
  return { taskId, status, result, traceback: null, children: [], dateDone: null };
}

needs(describe, noRedis)('waiting for results in Redis', () => {
  let server: RedisServerProcess;
  let backend: ResultBackend;
  let there: ResultBackend;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
    backend = await openRedisBackend(server.url(), { expiresMs: 60_000 });
    there = await openRedisBackend(server.url(), { expiresMs: 60_000 });
  });
  afterAll(async () => {
    await backend.close();
    await there.close();
    await server[Symbol.asyncDispose]();
  });

  const channels = (): string[] => server.cli('PUBSUB', 'CHANNELS').split('\n').filter(Boolean);
  const subscribed = (count: number): Promise<void> =>
    expect.poll(() => channels().length, { interval: 5 }).toBe(count);

  /** Each test, however it ends its watches, leaves none on the server. */
  afterEach(() => subscribed(0));

  const never = new AbortController().signal;
  setMaxListeners(0, never);
  const watch = (id: string, signal: AbortSignal = never): AsyncIterator<ResultRecord> =>
    backend.watch(id, signal)[Symbol.asyncIterator]();

  test('many who wait share one connection, and one channel for each task', async () => {
    const waiting = Array.from({ length: 60 }, (_, n) => watch(`shared-${n % 20}`));
    const ends = waiting.map((each) => each.next());
    await subscribed(20);
    const clients = server.cli('CLIENT', 'LIST', 'TYPE', 'pubsub').split('\n');
    expect(clients).toHaveLength(1);
    await using other = await openRedisBackend(server.url(5), { expiresMs: 60_000 });
    const elsewhere = other.watch('elsewhere', never)[Symbol.asyncIterator]();
    const last = elsewhere.next();
    await subscribed(21);
    expect(server.cli('CLIENT', 'LIST', 'TYPE', 'pubsub').split('\n')).toHaveLength(1);
    await elsewhere.return?.();
    expect(await last).toEqual({ done: true, value: undefined });
    await Promise.all(Array.from({ length: 20 }, (_, n) => there.put(record(`shared-${n}`, 'SUCCESS', n))));
    const results = (await Promise.all(ends)).map(({ value }) => value?.result);
    expect(results).toEqual(waiting.map((_, n) => n % 20));
    await Promise.all(waiting.map((each) => each.return?.()));
  });

  test('thousands of watches, ended in every way, leave nothing behind', async () => {
    const total = scaled(2000, 10_000);
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const outcomes = { read: 0, aborted: 0, returned: 0, timedOut: 0 };
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: total / 10 }, async (_, n) => {
          const id = `leak-${round}-${n}`;
          if (n % 4 === 0) {
            const next = watch(id).next();
            await there.put(record(id));
            if ((await next).value?.result === 5) outcomes.read++;
          } else if (n % 4 === 1) {
            const abort = new AbortController();
            const next = watch(id, abort.signal).next();
            if (n % 8 === 1) await there.get(id);
            abort.abort();
            if ((await next).done === true) outcomes.aborted++;
          } else if (n % 4 === 2) {
            const iterator = watch(id, stop.signal);
            const next = iterator.next();
            if (n % 8 === 2) await there.get(id);
            await iterator.return?.();
            if ((await next).done === true) outcomes.returned++;
          } else {
            const error = await new AsyncResult(id, backend)
              .get({ timeout: '5ms' })
              .catch((thrown: unknown) => thrown);
            if (error instanceof TimeoutError) outcomes.timedOut++;
          }
        }),
      );
    }
    const each = total / 4;
    expect(outcomes).toEqual({ read: each, aborted: each, returned: each, timedOut: each });
    await subscribed(0);
    expect(server.cli('CLIENT', 'LIST', 'TYPE', 'pubsub').split('\n').filter(Boolean).length).toBeLessThan(2);
  });

  test('a watch that is ended before it began, or never begun, subscribes to nothing', async () => {
    watch('unbegun');
    const iterator = watch('ended');
    await iterator.return?.();
    expect((await iterator.next()).done).toBe(true);
    expect((await watch('aborted', AbortSignal.abort()).next()).done).toBe(true);
    expect(channels()).toEqual([]);
  });

  test('a result that comes at any moment of the beginning is not missed', async () => {
    for (let n = 0; n < 300; n++) {
      const id = `race-${n}`;
      const put = (async () => {
        for (let ticks = n % 30; ticks > 0; ticks--) await new Promise((done) => setImmediate(done));
        await there.put(record(id, 'SUCCESS', n));
      })();
      const { value } = await watch(id, AbortSignal.timeout(patienceMs)).next();
      expect(value?.result).toBe(n);
      await put;
    }
  });

  test('the same task may be waited for again as soon as nobody does', async () => {
    for (let n = 0; n < 200; n++) {
      const iterator = watch('again', AbortSignal.timeout(patienceMs));
      const next = iterator.next();
      if (n % 3 === 0) await there.get('again');
      await iterator.return?.();
      await next;
    }
    const next = watch('again', AbortSignal.timeout(patienceMs)).next();
    await there.put(record('again', 'SUCCESS', 'at last'));
    expect((await next).value?.result).toBe('at last');
  });

  test.each([
    ['text', 'hello'],
    ['a number, as chords publish', '17'],
    ["another task's record", '{"status": "SUCCESS", "result": 1, "task_id": "other"}'],
    ['odd characters', '\xff\xfe'],
  ])('%s on the channel does no harm', async (_, noise) => {
    const iterator = watch('noise', AbortSignal.timeout(patienceMs));
    const next = iterator.next();
    await subscribed(1);
    server.cli('PUBLISH', 'celery-task-meta-noise', noise);
    await there.put(record('noise', 'PROGRESS', 1));
    expect((await next).value?.status).toBe('PROGRESS');
    server.cli('PUBLISH', 'celery-task-meta-noise', noise);
    const end = iterator.next();
    await there.put(record('noise', 'SUCCESS', 2));
    expect((await end).value?.result).toBe(2);
    expect((await iterator.next()).done).toBe(true);
    await there.forget('noise');
  });

  test('an end is seen, though a state is told right after it, as Celery may do of a task that it has sent again', async () => {
    const next = watch('retried', AbortSignal.timeout(patienceMs)).next();
    await subscribed(1);
    const told = [
      '{"status": "SUCCESS", "result": 9, "task_id": "retried"}',
      '{"status": "RETRY", "task_id": "retried"}',
    ];
    const tell = `for _, text in ipairs(ARGV) do redis.call('PUBLISH', KEYS[1], text) end`;
    server.cli('EVAL', tell, '1', 'celery-task-meta-retried', ...told);
    expect((await next).value?.status).toBe('SUCCESS');
  });

  test('noise makes the watcher look at the key', async () => {
    const next = watch('silent', AbortSignal.timeout(patienceMs)).next();
    await subscribed(1);
    await there.get('silent');
    // Somebody who stores without telling, as a restored backup does.
    server.cli('SET', 'celery-task-meta-silent', '{"status": "SUCCESS", "result": 9, "task_id": "silent"}');
    server.cli('PUBLISH', 'celery-task-meta-silent', 'look');
    expect((await next).value?.result).toBe(9);
  });

  test('garbage at the key is an error that says so, and frees the channel', async () => {
    server.cli('SET', 'celery-task-meta-garbage', 'hello');
    await expect(new AsyncResult('garbage', backend).get(patience)).rejects.toThrow(StoreError);
  });

  test('closing the backend ends those who wait, and the connection goes with the last', async () => {
    const one = await openRedisBackend(server.url(), { expiresMs: null });
    const ends = ['a', 'b'].map((id) => one.watch(id, never)[Symbol.asyncIterator]().next());
    const mine = watch('mine');
    const next = mine.next();
    await subscribed(3);
    await one.close();
    expect(await Promise.all(ends)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    await subscribed(1);
    await there.put(record('mine'));
    expect((await next).value?.result).toBe(5);
    await mine.return?.();
  });
});
