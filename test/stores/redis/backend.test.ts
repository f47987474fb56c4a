import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotSerializableError, StoreError } from '../../../src/errors.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { RedisConnection } from '../../../src/stores/redis/client/connection.ts';
import { redisScript } from '../../../src/stores/redis/client/script.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { RedisSubscriber } from '../../../src/stores/redis/client/subscriber.ts';
import { RedisRecordWrite } from '../../../src/stores/redis/record-write.ts';
import { openRedisBackend } from '../../../src/stores/redis/redis-backend.ts';
import { luaSource } from '../../../src/stores/redis/scripts.ts';
import { openBackend } from '../../../src/stores/registry.ts';
import { needs } from '../../needs.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';

const day = 86_400_000;

function record(taskId: string, status = 'SUCCESS', changes: Partial<ResultRecord> = {}): ResultRecord {
  const dateDone = status === 'SUCCESS' ? new Date(1_700_000_000_000) : null;
  return { taskId, status, result: 5, traceback: null, children: [], dateDone, ...changes };
}

needs(describe, noRedis)('results in Redis', () => {
  let server: RedisServerProcess;
  let backend: ResultBackend;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
    backend = await openRedisBackend(server.url(), { expiresMs: day });
  });
  afterAll(async () => {
    await backend.close();
    await server[Symbol.asyncDispose]();
  });

  test("the record is Celery's, at Celery's key, for as long as results are kept", async () => {
    await backend.put(record('wire'));
    expect(server.cli('GET', 'celery-task-meta-wire')).toBe(
      '{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], ' +
        '"date_done": "2023-11-14T22:13:20.000000+00:00", "task_id": "wire"}',
    );
    const ttl = Number(server.cli('PTTL', 'celery-task-meta-wire'));
    expect(ttl).toBeGreaterThan(day / 2);
    expect(ttl).toBeLessThanOrEqual(day);
  });

  test('each write is told on the channel of the key, and a refused one is not', async () => {
    await using connection = await RedisConnection.open(redisSettings(server.url(), 'backend'));
    await using listener = new RedisSubscriber(redisSettings(server.url(), 'backend'));
    const heard: string[] = [];
    await listener.subscribe('celery-task-meta-told', (text) => heard.push(text));
    await backend.put(record('told', 'STARTED'));
    await backend.put(record('told', 'SUCCESS', { result: 1 }));
    await backend.put(record('told', 'FAILURE'));
    await connection.call(['PUBLISH', 'celery-task-meta-told', 'the end']);
    await expect.poll(() => heard.length).toBeGreaterThanOrEqual(3);
    expect(heard.map((text) => /"status": "(\w+)"/.exec(text)?.[1] ?? text)).toEqual([
      'STARTED',
      'SUCCESS',
      'the end',
    ]);
  });

  test.each([
    [null, 'SUCCESS', -1],
    [0, 'SUCCESS', -1],
    [1e18, 'SUCCESS', -1],
    [0.2, 'PENDING', day],
    [60_000, 'SUCCESS', 60_000],
    [60_000, 'PENDING', day],
    [7 * day, 'PENDING', 7 * day],
    [7 * day, 'STARTED', 7 * day],
  ])('with an expiry of %s ms a record of state %s lives %s ms', async (expiresMs, status, lives) => {
    await using other = await openRedisBackend(server.url(), { expiresMs });
    const id = `expiry-${expiresMs}-${status}`;
    await other.put(record(id, status));
    const ttl = Number(server.cli('PTTL', `celery-task-meta-${id}`));
    expect(ttl).toBeLessThanOrEqual(lives);
    expect(ttl).toBeGreaterThan(lives - Math.abs(lives) / 2);
  });

  test.each([
    ['', 'celery-task-meta-'],
    ['shop', 'shop_celery-task-meta-'],
    ['shop_', 'shop_celery-task-meta-'],
    ['shop:', 'shop:celery-task-meta-'],
    ['shop-', 'shop-celery-task-meta-'],
    ['shop.', 'shop.celery-task-meta-'],
    ['{umbel}', '{umbel}_celery-task-meta-'],
  ])("the key prefix '%s' makes keys begin with %s, as Celery's rule for results is", async (keyPrefix, begin) => {
    await using other = await openRedisBackend(server.url(2), { expiresMs: day, driver: { keyPrefix } });
    await other.put(record('prefixed'));
    expect(server.cli('-n', '2', 'EXISTS', `${begin}prefixed`)).toBe('1');
    expect((await other.get('prefixed'))?.result).toBe(5);
    expect(await other.forget('prefixed')).toBe(true);
    expect(server.cli('-n', '2', 'DBSIZE')).toBe('0');
  });

  test('each database has its own records', async () => {
    await using other = await openBackend(server.url(3), { expiresMs: day });
    await backend.put(record('twice', 'SUCCESS', { result: 0 }));
    await other.put(record('twice', 'SUCCESS', { result: 3 }));
    expect((await backend.get('twice'))?.result).toBe(0);
    expect((await other.get('twice'))?.result).toBe(3);
    expect(other.store).toBe(backend.store);
  });

  test('thousands of puts at once are kept, and each of those that cannot be fails alone', async () => {
    server.cli('RPUSH', 'celery-task-meta-many-700', 'a list');
    const ids = Array.from({ length: 3000 }, (_, n) => `many-${n}`);
    const outcomes = await Promise.allSettled(
      ids.map((id, n) =>
        backend.put(record(id, 'SUCCESS', { result: n === 1500 ? Symbol('no') : 'x'.repeat(n) })),
      ),
    );
    const failed = outcomes.flatMap((outcome, n) =>
      outcome.status === 'rejected' ? [[n, outcome.reason]] : [],
    );
    expect(failed).toEqual([
      [700, expect.any(StoreError)],
      [1500, expect.any(NotSerializableError)],
    ]);
    expect(String(failed[0]?.[1])).toMatch(/'celery-task-meta-many-700' holds no result/);
    const read = await Promise.all(ids.map((id) => (id === 'many-700' ? undefined : backend.get(id))));
    const lengths = read.map((each) => (typeof each?.result === 'string' ? each.result.length : null));
    expect(lengths).toEqual(ids.map((_, n) => (n === 700 || n === 1500 ? null : n)));
    await expect(backend.get('many-700')).rejects.toThrow(StoreError);
  });

  test('a dozen large results at once are kept', async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `large-${n}`);
    await Promise.all(
      ids.map((id, n) => backend.put(record(id, 'SUCCESS', { result: String(n).repeat(900_000) }))),
    );
    for (const [n, id] of ids.entries())
      expect((await backend.get(id))?.result === String(n).repeat(900_000)).toBe(true);
    for (const id of ids) await backend.forget(id);
  });

  test.each([
    ['text', 'hello'],
    ['a number', '17'],
    ['a list', '[1, 2]'],
    ['a map of something else', '{"name": "x"}'],
    ['a pickle', '\x80\x04\x95'],
    ['nothing', ''],
    ["another task's record", '{"status": "SUCCESS", "result": 1, "task_id": "other"}'],
  ])('%s at the key is an error that says so', async (_, garbage) => {
    server.cli('SET', 'celery-task-meta-garbage', garbage);
    const error = await backend.get('garbage').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreError);
    expect(String(error)).toMatch(
      /the result of task garbage at redis:\/\/.* cannot be read: .*result_serializer/,
    );
  });

  test('a put replaces garbage', async () => {
    for (const garbage of ['hello', '{"status": 5}', '[', '{"x": {"status": "SUCCESS"}}', '']) {
      server.cli('SET', 'celery-task-meta-replaced', garbage);
      await backend.put(record('replaced'));
      expect((await backend.get('replaced'))?.status).toBe('SUCCESS');
    }
  });

  test('a SUCCESS is protected also in a record whose members are in another order', async () => {
    server.cli('SET', 'celery-task-meta-order', '{"task_id": "order", "result": 1, "status":"SUCCESS"}');
    await backend.put(record('order', 'FAILURE'));
    expect((await backend.get('order'))?.result).toBe(1);
  });

  test('the write of a sent task is made once, and no end is undone by it', async () => {
    await using connection = await RedisConnection.open(redisSettings(server.url(1), 'backend'));
    const write = async (made: unknown): Promise<unknown> => {
      if (!(made instanceof RedisRecordWrite)) throw new TypeError('not for Redis');
      return connection.run(writeScript, [made.args[2]], [...made.args, '1']);
    };
    expect(await write(backend.writeOfSent(record('sent', 'PENDING', { result: null })))).toBe(1);
    expect(await write(backend.writeOfSent(record('sent', 'PENDING', { result: null })))).toBeNull();
    expect((await backend.get('sent'))?.status).toBe('PENDING');
    expect(Number(server.cli('PTTL', 'celery-task-meta-sent'))).toBeGreaterThan(day / 2);
    expect(await write(backend.writeOf(record('sent', 'SUCCESS')))).toBe(1);
    expect(await write(backend.writeOfSent(record('sent', 'PENDING')))).toBeNull();
    expect(await write(backend.writeOf(record('sent', 'STARTED')))).toBeNull();
    expect((await backend.get('sent'))?.status).toBe('SUCCESS');
    expect(backend.writeOf(record('sent')).store).toBe(backend.store);
  });

  test('of a task that runs elsewhere nothing is at its record, and it is known, sent once and forgotten all the same', async () => {
    await using connection = await RedisConnection.open(redisSettings(server.url(1), 'backend'));
    const write = async (made: unknown): Promise<unknown> => {
      if (!(made instanceof RedisRecordWrite)) throw new TypeError('not for Redis');
      return connection.run(writeScript, [made.args[2]], [...made.args, '1']);
    };
    const sent = (): Promise<unknown> => write(backend.writeOfSent(record('far', 'PENDING'), true));
    expect(await sent()).toBe(1);
    expect(await sent()).toBeNull();
    expect(server.cli('EXISTS', 'celery-task-meta-far')).toBe('0');
    expect((await backend.get('far'))?.status).toBe('PENDING');
    await backend.put(record('far'));
    expect((await backend.get('far'))?.status).toBe('SUCCESS');
    expect(await backend.forget('far')).toBe(true);
    expect(await backend.get('far')).toBeUndefined();
    await backend.put(record('far'));
    expect(await sent()).toBeNull(); // what has ended was sent
  });

  test('several records are one write, told in their order; one that cannot be written there hinders no other', async () => {
    await using connection = await RedisConnection.open(redisSettings(server.url(1), 'backend'));
    await using listener = new RedisSubscriber(redisSettings(server.url(), 'backend'));
    const heard: string[] = [];
    for (const id of ['why', 'then', 'last'])
      await listener.subscribe(`celery-task-meta-${id}`, (text) => heard.push(JSON.parse(text).task_id));
    server.cli('RPUSH', 'celery-task-meta-a-list', 'no record');
    const made = backend.writeOf(
      record('why', 'FAILURE'),
      ...['a-list', 'then', 'last'].map((id) => record(id, 'FAILURE')),
    );
    if (!(made instanceof RedisRecordWrite)) throw new TypeError('not for Redis');
    expect(await connection.run(writeScript, [made.args[2]], [...made.args, '1'])).toBe(1);
    await expect.poll(() => heard).toEqual(['why', 'then', 'last']);
    expect((await backend.get('last'))?.status).toBe('FAILURE');
  });

  test('after a record for another database was refused, the rest of the script is in its own', async () => {
    await using connection = await RedisConnection.open(redisSettings(server.url(1), 'backend'));
    server.cli('-n', '4', 'RPUSH', 'celery-task-meta-refused', 'a list');
    const script = redisScript(
      'refused',
      `${recordsLua}
      local ok, why = pcall(write_record, 'ready', '4', 'celery-task-meta-refused', '{}', '', '1')
      redis.call('SET', 'where', 'here')
      return {ok and 1 or 0, type(why) == 'table' and why.err or why}`,
    );
    expect(await connection.run(script, [], [])).toEqual([0, expect.stringContaining('WRONGTYPE')]);
    expect(server.cli('-n', '1', 'GET', 'where')).toBe('here');
    expect(server.cli('-n', '4', 'EXISTS', 'where')).toBe('0');
  });

  test('close waits for the records under way', async () => {
    const other = await openRedisBackend(server.url(), { expiresMs: day });
    const puts = Array.from({ length: 500 }, (_, n) => other.put(record(`closing-${n}`)));
    await other.close();
    await other.close();
    await Promise.all(puts);
    expect((await backend.get('closing-499'))?.status).toBe('SUCCESS');
  });
});

const recordsLua = luaSource('--- @include records\n');

const writeScript = redisScript(
  'write',
  `${recordsLua} return write_record(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])`,
);
