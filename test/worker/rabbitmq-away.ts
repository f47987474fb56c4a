// A worker and a RabbitMQ that is away and comes back. Results elsewhere.
import { expect } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';
import { isLong } from '../run/scale.ts';
import { patience, until, within } from '../until.ts';
import { newStore } from './bench.ts';
import { MemoryLog } from './memory-log.ts';

/** A broker that can be taken away. */
export interface FickleBroker {
  readonly url: string;
  leave(): Promise<void>;
  comeBack(): Promise<void>;
}

/** The worker waits for a broker that comes late, outlives its restart, says each once, and ends without it. */
export async function outlives(broker: FickleBroker): Promise<void> {
  await broker.leave();
  await using app = new App('shop', {
    broker: broker.url,
    backend: await newStore('sqlite'),
    taskPublishTimeout: patience.timeout,
  });
  const add = app.task('add', (x: number, y: number) => x + y);
  const log = new MemoryLog();
  await using worker = new Worker(app, { logger: log, name: 'celery@here', concurrency: 2 });
  const lines = (about: string): string[] => log.texts().filter((text) => text.includes(about));

  const started = worker.start();
  await until(() => lines('the broker is away').length > 0);
  await broker.comeBack();
  await started;
  await until(() => lines('the broker is there again').length > 0);
  expect(await (await add.delay(2, 3)).get(patience)).toBe(5);

  await broker.leave();
  await until(() => lines('the broker is away').length > 1);
  await broker.comeBack();
  await until(() => lines('the broker is there again').length > 1);
  expect(await (await add.delay(3, 4)).get(patience)).toBe(7);
  expect(lines('the broker is away')).toHaveLength(2);
  expect(lines('the broker is there again')).toHaveLength(2);

  await broker.leave();
  const begun = performance.now();
  await within(worker.stop(), 'the end of the worker');
  if (isLong) expect(performance.now() - begun).toBeLessThan(12_000);
  expect(log.texts().join('\n')).not.toContain('guest:guest');
}
