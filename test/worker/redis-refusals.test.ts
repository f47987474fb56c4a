// Redis refuses for a while, also from within scripts: it is waited for, and nothing is buried for it.
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chord, group } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { refusals } from '../servers/harm.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { MemoryLog } from './memory-log.ts';

needs(describe, noRedis)('a Redis that refuses while chords run', () => {
  it.each(refusals)('%s: every chord ends well, and nothing is a dead letter', async (_, refuse, allow) => {
    await using server = await RedisServerProcess.start();
    const app = new App('refused', { broker: server.url(), backend: server.url() });
    onTestFinished(() => app.close());
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let begun = 0;
    const member = app.task('member', async (value: number) => {
      begun++;
      await gate;
      return value;
    });
    const total = app.task('total', (values: number[]) => values.reduce((sum, value) => sum + value, 0));
    const log = new MemoryLog();
    const worker = new Worker(app, { concurrency: 12, logger: log });
    await worker.start();
    const chords = await Promise.all(
      [1, 2, 3].map((n) => chord(group([n, n, n, n].map((value) => member.s(value))), total.s()).delay()),
    );
    await until(() => begun === 12);
    // What a blocking read has brought runs before it is adopted; a call that adopts insists by itself, and what it says is another thing.
    await until(() => {
      const key = server.cli('KEYS', '*umbel:claimed:*').split('\n')[0] ?? '';
      return key !== '' && server.cli('HLEN', key) === '12';
    }, 'all are adopted');
    server.cli(...refuse);
    open();
    await until(
      () => log.lines.some(({ text }) => text.includes('retrying')),
      () => JSON.stringify(log.lines),
    );
    server.cli(...allow);
    expect(await Promise.all(chords.map((result) => result.get({ timeout: 60 })))).toEqual([4, 8, 12]);
    expect(await app.deadLetters.count()).toBe(0);
    await worker.stop();
  });
});
