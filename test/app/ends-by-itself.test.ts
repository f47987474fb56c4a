// A program that only sent, or has its results, ends without `app.close()`, whatever its stores; one that works or waits stays. Each client
// once; the long run has their other combinations, too.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';
import { Program, project } from '../cli/harness.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, within } from '../until.ts';

interface Urls {
  readonly broker: string;
  readonly backend: string | null;
}

const redis = async (): Promise<string> => (await RedisServerProcess.shared()).url();
const rabbit = async (): Promise<string> => (await RabbitServerProcess.shared()).url();
const postgres = async (): Promise<string> => (await PostgresServerProcess.shared()).url();

describe.each<[string, string | undefined, () => Promise<Urls>]>([
  ['Redis', noRedis, async () => ({ broker: await redis(), backend: await redis() })],
  ['RabbitMQ', noRabbit ?? inLongRun, async () => ({ broker: await rabbit(), backend: null })],
  ['RabbitMQ and rpc', noRabbit, async () => ({ broker: await rabbit(), backend: 'rpc://' })],
  [
    'RabbitMQ and Redis',
    noRabbit ?? noRedis ?? inLongRun,
    async () => ({ broker: await rabbit(), backend: await redis() }),
  ],
  [
    'Redis and PostgreSQL',
    noRedis ?? noPostgres,
    async () => ({ broker: await redis(), backend: await postgres() }),
  ],
])('on %s', (_, missing, urlsOf) => {
  const program = (urls: Urls, code: string): string => `
import { App } from 'umbel';
import { Worker } from 'umbel/worker';
export const app = new App('shop', ${JSON.stringify({ ...urls, backend: urls.backend ?? undefined, taskPublishTimeout: patience.timeout })});
const add = app.task('shop.add', (x, y) => x + y);
${code}
`;

  needs(test, missing)(
    'a program that sent, looked and purged ends, and one that has waited for its result, too',
    async () => {
      const urls = await urlsOf();
      const folder = project({
        'send.js': program(
          urls,
          `await add.delay(2, 3); await add.applyAsync([4, 5], { countdown: 3600 });
const broker = await app.broker(); // to look at and to purge is no reason to stay, either
await broker.unroutable?.();
await broker.deadLetters.count();
await broker.purge('sent-and-purged');
console.log('sent');`,
        ),
      });
      const sent = new Program([join(folder, 'send.js')], folder);
      expect(await within(sent.ended, 'the end of the sender')).toMatchObject({
        code: 0,
        stdout: 'sent\n',
        stderr: '',
      });
      if (urls.backend === null) return;
      const app = new App('shop', { broker: urls.broker, backend: urls.backend });
      app.task('shop.add', (x: number, y: number) => x + y);
      const worker = new Worker(app);
      onTestFinished(async () => {
        await worker.stop();
        await app.close();
      });
      await worker.start();
      writeFileSync(
        join(folder, 'get.js'),
        program(
          urls,
          `console.log(await (await add.delay(2, 3)).get()); console.log(await (await add.delay(3, 4)).get());`,
        ),
      );
      const got = new Program([join(folder, 'get.js')], folder);
      expect(await within(got.ended, 'the end of who has its result')).toMatchObject({
        code: 0,
        stdout: '5\n7\n',
        stderr: '',
      });
    },
  );

  needs(test, missing)('a worker stays, and who waits for a result', async () => {
    const urls = await urlsOf();
    const files = {
      'worker.js': program(
        urls,
        `app.task('shop.told', (what) => console.log(what)); await new Worker(app).start(); console.log('ready');`,
      ),
      'wait.js': program(
        urls,
        `const sum = await app.send('shop.late', []); console.log('waits'); console.log(await sum.get());`,
      ),
    };
    const folder = project(files);
    const worker = new Program([join(folder, 'worker.js')], folder);
    await worker.said(/ready/);
    const app = new App('shop', {
      broker: urls.broker,
      ...(urls.backend !== null && { backend: urls.backend }),
    });
    onTestFinished(() => app.close());
    await app.send('shop.told', ['one']);
    await worker.said(/one/);
    worker.kill('SIGKILL');
    await worker.ended;
    if (urls.backend === null) return;
    const waiting = new Program([join(folder, 'wait.js')], folder);
    await waiting.said(/waits/);
    app.task('shop.late', () => 'came');
    const late = new Worker(app);
    onTestFinished(() => late.stop());
    await late.start();
    await waiting.said(/came/);
    expect(await within(waiting.ended, 'the end of who has waited')).toMatchObject({ code: 0 });
    expect(await (await app.send('shop.late', [])).get(patience)).toBe('came');
  });
});
