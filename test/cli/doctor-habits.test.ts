// The doctor and the twelve anti-patterns: an application that has each of them, and such that have none.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { examineApplication } from '../../src/doctor/application.ts';
import { readSources } from '../../src/doctor/sources.ts';
import { App } from '../../src/index.ts';
import { type Ended, project, umbel, umbelProcess, workerOf } from './harness.ts';

const doctor = (folder: string, ...args: readonly string[]): Promise<Ended> =>
  umbelProcess(folder, ['doctor', '--json', ...args]);

function found({ stdout }: Ended): Record<string, string> {
  const findings: Record<string, string>[] = JSON.parse(stdout);
  return Object.fromEntries(findings.map(({ check = '', what = '' }) => [check, what]));
}

/** What the tasks import: enough to be loaded. */
const packages = {
  'node_modules/stripe/index.js':
    'module.exports = class Stripe { charges = { create: async () => ({ id: 1 }) }; };',
  'node_modules/@prisma/client/index.js':
    'exports.PrismaClient = class { order = { findMany: async () => [], create: async () => ({}) }; };',
  'node_modules/axios/index.js':
    'exports.default = exports; exports.create = () => ({ post: async () => ({}) });',
};

test('an application with all twelve anti-patterns has each found', async () => {
  const folder = project({
    ...packages,
    'app.js': `import { App } from 'umbel';
export const app = new App('shop', { include: ['./orders.js'] });
`,
    'busy.js': `setInterval(() => undefined, 60_000);
export { app } from './app.js';
`,
    'orders.js': `import axios from 'axios';
import Stripe from 'stripe';
import { App, every } from 'umbel';
import { app } from './app.js';
import { post } from './post.js';

const second = new App('again');
const stripe = new Stripe('key');
const client = axios.create({ baseURL: 'https://x' });

const fine = { timeLimit: 5, autoretryFor: [Error] };
app.task('orders.pay', { timeLimit: 5 }, async (id) => stripe.charges.create({ id }));
app.task('orders.tell', { timeLimit: 5 }, async (id) => { await client.post('/told', { id }); });
app.task('orders.notify', { timeLimit: 5 }, async (id) => post(id));
app.task('orders.early', { ...fine, acksLate: false }, () => 1);
app.task('orders.print', fine, () => { process.stdout.write('here'); return 1; });
app.task('orders.spin', fine, (ms) => { const end = Date.now() + ms; while (Date.now() < end); return 1; });
app.task('orders.endless', () => 1);
app.task('orders.behind', fine, (id) => { void post(id); return 1; });
const big = app.task('orders.export', fine, () => 'x'.repeat(300_000));
app.task('orders.event', fine, (event) => event);
app.schedule('often', every('1h'), big.s());
`,
    'post.js':
      'export async function post(id) {\n  return fetch("http://x", { method: "POST", body: id });\n}\n',
    'mails.js': `import { app } from './app.js';
app.task('mails.send', () => 1);
`,
  });
  await workerOf(folder);
  await umbel(folder, ['-A', './app.js', 'call', 'orders.export', '--wait', '60']);
  await expect
    .poll(async () => found(await doctor(folder, '-A', './busy.js')))
    .toMatchObject({
      'two-apps': 'the modules of the application make 2 Apps',
      timers: expect.stringContaining('a timer'),
      idempotency: expect.stringMatching(/: orders\.pay, orders\.tell, orders\.notify, orders\.behind$/),
      'early-acks': expect.stringMatching(/: orders\.early$/),
      retries: expect.stringMatching(/: orders\.pay, orders\.tell, orders\.notify$/),
      signals: expect.stringMatching(/: orders\.notify, orders\.behind$/),
      logging: expect.stringMatching(/: orders\.print$/),
      blocking: expect.stringMatching(/: orders\.spin$/),
      'time-limits': expect.stringMatching(/1 of 10 .*: orders\.endless$/),
      background: expect.stringMatching(/: orders\.behind$/),
      'no-beat': expect.stringContaining('often'),
      imports: expect.stringMatching(/: mails\.js \(mails\.send\)$/),
      'big-results': expect.stringContaining('1 of the last'),
      'message-bus': expect.stringMatching(/: orders\.event$/),
    });
});

describe('no false alarm', () => {
  test('for tasks that only look as if, nor for helpers, texts and comments', async () => {
    const folder = project({
      ...packages,
      'app.js': `import { App } from 'umbel';
import { format } from './format.js';
export const app = new App('shop', { taskTimeLimit: 60 });
const request = (text) => text;
const fetched = [];
// a second new App('x') is not made here, nor is fetch( called
app.task('orders.id', { bind: true }, (task) => task.request.id);
app.task('orders.request', (text) => request(text));
app.task('orders.text', () => 'call fetch(url) or console.log(1)');
app.task('orders.comment', () => /* fetch(url) */ fetched.length);
const format2 = app.task('orders.format', (x) => format(x));
app.task('orders.sends', async (x) => { await format2.delay(x); });
app.task('orders.sleep', { bind: true }, async (task) => {
  await new Promise((resolve) => setTimeout(resolve, 10));
  return { id: task.request.id, status: 'DONE' };
});
`,
      'main.js': "import './late.js';\n",
      'late.js': "import { app } from './app.js';\napp.task('late.one', () => 1);\n",
      'format.js': 'export const format = (x) => `fetch(` + x;\n',
      'other.js': `import { App } from 'umbel';
const app = new App('another program');
app.task('another.task', () => 1);
`,
    });
    expect(await doctor(folder, '--offline', '-A', './app.js')).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  // In this process: only the code is looked at.
  const places = readdirSync('examples').flatMap((name) => [
    `${name}/app.ts`,
    `${name}/src/app.ts`,
    `${name}/ways/task/app.ts`,
  ]);
  test.each(places.filter((file) => existsSync(`examples/${file}`)))('for examples/%s', async (file) => {
    const path = new URL(`../../examples/${file}`, import.meta.url).pathname;
    const { app }: { app: App } = await import(path);
    const sources = readSources(app, path);
    // A guard: these would be found if the tasks were not.
    expect([...app.tasks].some((task) => sources.codeOf(task) !== '')).toBe(true);
    const checks = examineApplication(app, sources).map(({ check }) => check);
    expect(checks.filter((check) => !['memory', 'time-limits'].includes(check))).toEqual([]);
  });

  test('for the tasks of the notes that Celery is taught by', () => {
    const app = new App('notes', { taskTimeLimit: 60 });
    app.task('process_task', { bind: true, maxRetries: 3 }, async (task, number: number, timeout: number) => {
      task.logger.info({ number }, 'begun');
      await task.updateState('IN_PROGRESS', { number });
      await new Promise((resolve) => setTimeout(resolve, timeout * 1000));
      return { status: 'success', number, id: task.request.id };
    });
    app.task('send_task_reminder', (id: number) => `reminder of ${id}`);
    app.task('bulk_update_tasks', (ids: number[], update: object) => ids.map((id) => ({ id, ...update })));
    app.task('my_task', { bind: true, maxRetries: 3, defaultRetryDelay: 60 }, (task) => {
      throw task.retry(new Error('again'));
    });
    expect(examineApplication(app)).toEqual([]);
  });
});

test('each anti-pattern has its line in the documentation', () => {
  const text = readFileSync('docs/cli.md', 'utf8');
  for (const check of ['two-apps', 'message-bus', 'imports', 'background', 'blocking'])
    expect(text).toContain(`\`${check}\``);
});
