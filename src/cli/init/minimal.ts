// A project with a task, a task that is retried, and a schedule.
import type { ProjectSources } from './project-sources.ts';

export const minimal = (name: string): ProjectSources => ({
  app: app(name),
  main,
  test,
  call: `${name}.add -a '[2, 3]'`,
});

const app = (
  name: string,
): string => `// The application: its tasks and schedules. Other modules import it from here.
import { App, crontab } from 'umbel';

// Broker and result backend come from the environment (.env): UMBEL_BROKER_URL, UMBEL_RESULT_BACKEND. Without them: a file in .umbel/.
export const app: App = new App('${name}', {
  taskTimeLimit: '5m',
  taskSoftTimeLimit: '4m',
});

export const add = app.task('${name}.add', (x: number, y: number) => x + y);

/** The number of characters of a page. After an error it is retried with a random delay of at most 1, 2, 4 … s. */
export const pageSize = app.task(
  '${name}.page_size',
  { bind: true, maxRetries: 5, autoretryFor: [Error], retryBackoff: true, softTimeLimit: 20 },
  async (task, url: string) => {
    const response = await fetch(url, { signal: task.signal });
    if (!response.ok) throw new Error(\`\${url} answered \${response.status}\`);
    const size = (await response.text()).length;
    task.logger.info({ url, size }, 'page read');
    return size;
  },
);

export const tidy = app.task('${name}.tidy', () => {
  // Write the nightly work here.
});

app.schedule('nightly-tidy', crontab('0 3 * * *'), tidy);
`;

const main = `// A demonstration: a worker in this process, and a task for it. In production run the worker as a separate program: npm run worker
import { Worker } from 'umbel/worker';
import { add, app } from './app.ts';

const worker = new Worker(app);
await worker.start();
console.log(\`\${worker.name} takes tasks from \${worker.queues.join(', ')}\`);

const sum = await add.delay(2, 3);
console.log(\`2 + 3 = \${await sum.get({ timeout: 10 })}\`);

await worker.stop();
await app.close();
`;

const test = `import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { drain } from 'umbel/testing';

// In memory: each test run starts empty.
process.env.UMBEL_BROKER_URL = 'memory://';
process.env.UMBEL_RESULT_BACKEND = 'memory://';
const { add, app } = await import('../src/app.ts');
after(() => app.close());

test('add adds', () => {
  assert.equal(add(2, 3), 5); // the function itself
});

test('a sent task runs, and has a result', async () => {
  const sum = await add.delay(2, 3);
  await drain(app);
  assert.equal(await sum.get({ timeout: 1 }), 5);
});
`;
