// A worker and RabbitMQ: which of the two comes first, and what happens when the broker goes. Results elsewhere.
import { afterEach, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { newStore, until } from './bench.ts';
import { MemoryLog } from './memory-log.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const kept = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};

needs(describe, noRabbit)('a worker on RabbitMQ', () => {
  it('waits for a broker that comes late, outlives its restart, says each once, and ends without it', async () => {
    const rabbit = kept(await RabbitServerProcess.start());
    await rabbit.stop('SIGKILL');
    const app = kept(
      new App('shop', { broker: rabbit.url(), backend: await newStore('sqlite'), taskPublishTimeout: 30 }),
    );
    const add = app.task('add', (x: number, y: number) => x + y);
    const log = new MemoryLog();
    const worker = kept(new Worker(app, { logger: log, name: 'celery@here', concurrency: 2 }));
    const lines = (about: string): string[] => log.texts().filter((text) => text.includes(about));

    const started = worker.start();
    await until(() => lines('the broker is away').length > 0);
    await rabbit.start();
    await started;
    await until(() => lines('the broker is there again').length > 0);
    expect(await (await add.delay(2, 3)).get({ timeout: 10 })).toBe(5);

    await rabbit.stop('SIGKILL');
    await until(() => lines('the broker is away').length > 1);
    await rabbit.start();
    await until(() => lines('the broker is there again').length > 1);
    expect(await (await add.delay(3, 4)).get({ timeout: 20 })).toBe(7);
    expect(lines('the broker is away')).toHaveLength(2);
    expect(lines('the broker is there again')).toHaveLength(2);

    await rabbit.stop('SIGKILL');
    const begun = performance.now();
    await worker.stop();
    expect(performance.now() - begun).toBeLessThan(12_000);
    expect(log.texts().join('\n')).not.toContain('guest:guest');
  }, 120_000);
});
