// A project with a workflow: tasks in parallel, a task for all of their results, a last step, and a task for failures.
import type { ProjectSources } from './project-sources.ts';

export const workflow = (name: string): ProjectSources => ({
  app: app(name),
  main,
  test,
  call: `${name}.fetch_sales -a '["Oslo"]'`,
});

const app = (
  name: string,
): string => `// The application: its tasks and its workflow. Other modules import it from here.
import { App, chain, chord, crontab, group, type Signature } from 'umbel';

// Broker and result backend come from the environment (.env): UMBEL_BROKER_URL, UMBEL_RESULT_BACKEND. Without them: a file in .umbel/.
export const app: App = new App('${name}', {
  taskTimeLimit: '5m',
  taskSoftTimeLimit: '4m',
});

/** The sales of a shop. After an error it is retried with a random delay of at most 1, 2, 4 … s. */
const fetchSales = app.task(
  '${name}.fetch_sales',
  { bind: true, maxRetries: 5, autoretryFor: [Error], retryBackoff: true, softTimeLimit: 20 },
  async (task, shop: string): Promise<number> => {
    task.logger.info({ shop }, 'asking');
    return shop.length * 100; // Ask the shop here.
  },
);

export const addUp = app.task('${name}.add_up', (sales: readonly number[]): number =>
  sales.reduce((sum, each) => sum + each, 0),
);

const publish = app.task('${name}.publish', (total: number): string => \`sold in all: \${total}\`);

/** Runs once if a step has failed for good. */
const giveUp = app.task('${name}.give_up', (what: string): void => {
  console.error(\`\${what} could not be made\`); // Send an alert here.
});

/** All shops in parallel; then the sum of their sales; then the report. A step begins when those before it have ended, on any worker. */
export function report(shops: readonly string[]): Signature<[], string> {
  return chord(group(shops.map((shop) => fetchSales.s(shop))), chain(addUp.s(), publish.s())).linkError(
    giveUp.si('the report'),
  );
}

app.schedule('nightly-report', crontab('0 3 * * *'), report(['Berlin', 'Oslo', 'Rome']));
`;

const main = `// A demonstration: a worker in this process, and a workflow for it. In production run the worker as a separate program: npm run worker
import { Worker } from 'umbel/worker';
import { app, report } from './app.ts';

const worker = new Worker(app);
await worker.start();
console.log(\`\${worker.name} takes tasks from \${worker.queues.join(', ')}\`);

const result = await report(['Berlin', 'Oslo', 'Rome']).delay();
console.log(await result.get({ timeout: 10 }));

await worker.stop();
await app.close();
`;

const test = `import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { drain } from 'umbel/testing';

// In memory: each test run starts empty.
process.env.UMBEL_BROKER_URL = 'memory://';
process.env.UMBEL_RESULT_BACKEND = 'memory://';
const { addUp, app, report } = await import('../src/app.ts');
after(() => app.close());

test('the sum of no sales is 0', () => {
  assert.equal(addUp([]), 0); // the function itself
});

test('the report has the sales of all shops', async () => {
  const result = await report(['Rome', 'Oslo']).delay();
  await drain(app);
  assert.equal(await result.get({ timeout: 1 }), 'sold in all: 800');
});
`;
