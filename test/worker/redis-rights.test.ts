// Rights that are taken from the user of Redis (ACL) and given back: nothing is lost, buried or stuck, whichever it was.
import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { examineStores } from '../../src/doctor/stores.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../../src/errors.ts';
import { chain, chord, group } from '../../src/index.ts';
import type { AsyncResult } from '../../src/results/async-result.ts';
import { probes, workerCommands } from '../../src/stores/redis/rights.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { right } from '../servers/harm.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { MemoryLog } from './memory-log.ts';

const few: readonly string[] = ['HSET', 'LTRIM', 'BLMOVE', 'PUBLISH'];
/** What chords and reading results need, too. */
const ofResults: readonly string[] = ['INCRBY', 'PEXPIRE', 'ZCARD', 'MGET'];

needs(describe, noRedis)('a Redis that takes a right away for a moment', () => {
  it.each(
    isLong ? [...workerCommands, ...ofResults] : few,
  )('%s: all that was sent is done', async (command) => {
    await using server = await RedisServerProcess.start();
    await using app = new App('rights', { broker: server.url(), backend: server.url(1) });
    const runs = new Map<string, number>();
    const ran = (name: string): void => void runs.set(name, (runs.get(name) ?? 0) + 1);
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const add = app.task('add', { bind: true }, async (task, a: number, b: number) => {
      ran(task.request.id);
      await gate;
      return a + b;
    });
    const again = app.task('again', { bind: true, maxRetries: 3 }, async (task, n: number) => {
      await gate;
      if (task.request.retries < 1) throw task.retry({ countdown: 0.05 });
      ran(task.request.id);
      return n;
    });
    const limited = app.task('limited', { bind: true, concurrency: 1 }, async (task, n: number) => {
      ran(task.request.id);
      await gate;
      return n;
    });
    const once = app.task('once', { bind: true, unique: true }, (task, n: number) => {
      ran(task.request.id);
      return n;
    });
    let number = 0;
    const sum = app.task('sum', (values: number[]) => values.reduce((all, value) => all + value, 0));
    const log = new MemoryLog();
    const worker = new Worker(app, { concurrency: 6, logger: log });
    await worker.start();

    const results: [AsyncResult<unknown>, unknown][] = [];
    const send = async (): Promise<void> => {
      const sends: (() => Promise<[AsyncResult<unknown>, unknown]>)[] = [
        async () => [await add.delay(1, 2), 3],
        async () => [await add.applyAsync([2, 3], { countdown: 0.05 }), 5],
        async () => [await again.delay(7), 7],
        async () => [await chain(add.s(1, 1), add.s(2)).delay(), 4],
        async () => [await chord(group([add.s(1, 1), add.s(2, 2)]), sum.s()).delay(), 6],
      ];
      if (isLong)
        sends.push(
          async () => [await limited.delay(8), 8],
          async () => [await limited.delay(9), 9],
          async () => [await once.delay(++number), number],
        );
      for (const one of sends) {
        try {
          results.push(await one());
        } catch (error) {
          // Said to the sender: not sent, or not known. A workflow may be sent in part.
          if (!(error instanceof BrokerUnavailable || error instanceof SendUnconfirmed)) throw error;
        }
      }
    };
    await send();
    await until(() => runs.size >= 3);
    server.cli('ACL', 'LOG', 'RESET');
    const [take, give] = right(command);
    server.cli(...take);
    open();
    await send();
    const refused = (): number =>
      [...server.cli('ACL', 'LOG').matchAll(/count\n(\d+)/g)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      );
    // What is not asked for in this time is not refused.
    for (let looks = 1; refused() < 3 && (looks <= 100 || few.includes(command)); looks++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      // What came one by one may have been taken without it.
      if (looks % 100 === 0 && few.includes(command)) await send();
    }
    server.cli(...give);
    await send();
    for (const [result, value] of results)
      expect(
        await result
          .get(patience)
          .catch((error: unknown) => `${result.id} ${String(error)} ${JSON.stringify(log.texts())}`),
      ).toEqual(value);
    expect(await app.deadLetters.count()).toBe(0);
    expect(Math.max(...runs.values())).toBe(1);
    await worker.stop();
    for (const place of ['claimed', 'taken', 'schedule'])
      expect(server.cli('KEYS', `umbel:${place}:*`)).toBe('');
    expect(server.cli('LLEN', 'celery')).toBe('0');
  });

  it('one that was never given is named to a worker at its start, which goes on when it is given', async () => {
    await using server = await RedisServerProcess.start();
    server.cli(
      'ACL',
      'SETUSER',
      'shop',
      'on',
      '>secret',
      '~*',
      '&*',
      '+@all',
      '-zadd',
      '-blmove',
      '-publish',
    );
    await using app = new App('rights', { broker: server.url().replace('//', '//shop:secret@') });
    const one = app.task('one', () => 1);
    const log = new MemoryLog();
    const worker = new Worker(app, { concurrency: 1, logger: log });
    const starting = worker.start();
    await until(() => log.texts('error').length > 0);
    expect(log.texts('error')[0]).toMatch(
      /user 'shop' may not run PUBLISH, ZADD, BLMOVE .*ACL SETUSER shop \+publish \+zadd \+blmove/,
    );
    const rights = async (): Promise<string[]> =>
      (await examineStores(app)).flatMap(({ check, what }) => (check === 'rights' ? [what] : []));
    expect(await rights()).toEqual([expect.stringContaining('PUBLISH, ZADD, BLMOVE')]);
    server.cli('ACL', 'SETUSER', 'shop', '+zadd', '+blmove', '+publish');
    await starting;
    expect(await rights()).toEqual([]);
    await one.delay();
    await until(() => log.texts().some((text) => text.includes('succeeded')));
    await worker.stop();
  });

  it('every command of a worker is asked for', () => {
    expect(workerCommands.filter((command) => command !== 'BLMOVE' && !(command in probes))).toEqual([]);
  });
});
