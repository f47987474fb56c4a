// The comparison as its users run it: the report where RabbitMQ is missing, and the page in a browser. SCREENSHOTS=folder keeps what it saw.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Report } from '../server/report.ts';
import { processTask } from '../ways/task/app.ts';
import { slots } from '../ways/work.ts';

const executablePath = process.env.UMBEL_TEST_CHROMIUM ?? '/usr/bin/chromium';
const skip = existsSync(executablePath) ? false : `no browser at ${executablePath}`;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'comparison-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const quick = { JOB_SECONDS: '0.1', RETRY_DELAY: '0.1', SCALE: '2', PORT: '0', DASHBOARD_PORT: '0' };

test('without RabbitMQ it compares two ways, and says how to have the third', async () => {
  const data = join(folder, 'two');
  const env = { ...process.env, ...quick, DATA: data, RMQ_URL: 'amqp://127.0.0.1:1' };
  const { stdout } = await promisify(execFile)(process.execPath, ['start.mjs', '--report'], { env });
  assert.match(stdout, /No RabbitMQ at 127\.0\.0\.1:1 .* set RMQ_URL/);
  const { rows } = JSON.parse(readFileSync(join(data, 'report.json'), 'utf8')) as Report; // as main.ts writes it
  assert.ok(rows.length > 10);
  for (const { question, figures } of rows) {
    assert.deepEqual([typeof figures.task, typeof figures.call], ['number', 'number'], question);
    assert.equal(figures.message, null);
  }
});

let npmStart: ChildProcess;
let browser: Browser;
let page: Page;
let screen = '';
/** What the page did that it must not do. */
const wrongs: string[] = [];

before(async () => {
  if (skip) return;
  const env = { ...process.env, ...quick, DATA: join(folder, 'page') };
  npmStart = spawn(process.execPath, ['start.mjs'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [npmStart.stdout, npmStart.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
    });
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  page = await browser.newPage({ viewport: { width: 1300, height: 900 }, colorScheme: 'light' });
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => wrongs.push(`threw ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && wrongs.push(`said ${message.text()}`));
  while (!screen.includes('Ctrl-C stops it.') && npmStart.exitCode === null) await sleep(20);
  await page.goto(/Page +(\S+)/.exec(screen)?.[1] ?? screen);
});
after(async () => {
  await browser?.close();
  if (npmStart === undefined || npmStart.exitCode !== null) return;
  const ended = once(npmStart, 'exit');
  npmStart.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

const way = (name: string) => page.locator(`[data-way=${name}]`);
const button = (name: string | RegExp) => page.getByRole('button', { name });

/** It can be used by everybody, and nothing hangs out at the side. */
async function isGood(name: string): Promise<void> {
  if (process.env.SCREENSHOTS)
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
  const found = await page.evaluate(
    `${axe}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))`,
  );
  assert.deepEqual(found, [], name);
  assert.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, name);
  assert.deepEqual(wrongs, []);
}

test('each way shows its jobs; a task is tried again, a call is not', { skip }, async () => {
  for (const name of ['task', 'call']) {
    await button(name === 'task' ? /^Kill worker\d+$/ : /^Kill server\d+$/).waitFor();
    await way(name).getByLabel('Seconds').fill('0.2');
    await way(name).getByLabel('Attempts that fail').fill('1');
    await way(name).getByRole('button', { name: 'Send' }).click();
  }
  await way('task').getByText('DONE').waitFor();
  await way('call').getByText('FAILED').waitFor();
  for (const [what, told] of [
    ['stats', '"max-concurrency"'],
    ['registered', 'process_task'],
    ['registered', 'process_data'],
    ['active', /"worker\d+@[^"]+": \[(\]| *\{)/],
  ] as const) {
    await button(`inspect ${what}`).click();
    await page.locator('pre').getByText(told).waitFor();
  }
  await button(/^process_data/).click();
  await page.getByText('"items":3').waitFor();
  await isGood('jobs');
});

test('a killed worker loses no task; a killed server loses its calls', { skip }, async () => {
  for (const [name, kind] of [
    ['task', 'worker'],
    ['call', 'server'],
  ] as const) {
    await way(name).getByLabel('Seconds').fill('1');
    await way(name).getByLabel('Attempts that fail').fill('0');
    await way(name).getByRole('button', { name: 'Send' }).click();
    if (name === 'task') await way(name).getByText('IN_PROGRESS').waitFor();
    await button(new RegExp(`^Kill ${kind}`)).click();
  }
  await way('call').getByText('LOST').waitFor();
  await way('task').getByText('DONE').nth(1).waitFor();
});

test('a purge deletes what waits; what a worker has taken is done', { skip }, async () => {
  await button(/^Kill worker\d+$/).waitFor();
  const badges = (status: string) => way('task').locator(`[data-status=${status}]`);
  const done = await badges('DONE').count();
  await way('task').getByLabel('Seconds').fill('1');
  await way('task').getByLabel('Jobs').fill('9');
  await way('task').getByRole('button', { name: 'Send' }).click();
  await badges('IN_PROGRESS').first().waitFor();
  await way('task').getByRole('button', { name: 'Purge' }).click();
  const said = await page.getByText(/^Purged: \d+ jobs$/).innerText();
  const purged = Number(/\d+/.exec(said)?.[0]);
  assert.ok(purged > 0);
  await badges('DONE')
    .nth(done + 9 - purged - 1)
    .waitFor();
  assert.equal(await badges('PURGED').count(), purged);
  await way('task').getByLabel('Jobs').fill('1');
});

test('three workers share the jobs, and each job names who did it', { skip }, async () => {
  const ready = button(/^Kill worker\d+$/);
  await way('task').getByRole('button', { name: '3 workers' }).click();
  await ready.nth(2).waitFor();
  const done = way('task').locator('[data-status=DONE]');
  const before = await done.count();
  const jobs = 3 * slots;
  await way('task').getByLabel('Seconds').fill('5'); // for one alone that is a quarter of a minute
  await way('task').getByLabel('Jobs').fill(String(jobs));
  await way('task').getByRole('button', { name: 'Send' }).click();
  await done.nth(before + jobs - 1).waitFor();
  const by = (await way('task').locator('tbody td:last-child').allInnerTexts()).slice(0, jobs);
  for (const name of by) assert.match(name, /^worker\d+$/);
  assert.ok(new Set(by).size > 1, by.join(' '));
  await way('task').getByLabel('Jobs').fill('1');
  await way('task').getByRole('button', { name: '1 worker', exact: true }).click();
  await ready.nth(1).waitFor({ state: 'detached' });
});

test('process_task is called with a number, its seconds and who does it, and answers, as in Python', async () => {
  const call = JSON.parse(JSON.stringify(processTask.s(1, 5, 'celery')));
  assert.deepEqual([call.task, call.args, call.kwargs], ['process_task', [1, 5, 'celery'], {}]);
  const result = await processTask.apply([1, 0.1, 'celery']);
  assert.deepEqual(await result.get(), { status: 'success', task_num: 1, worker_id: 'celery' });
});

test('what does not fit is refused, and the answer says why', { skip }, async () => {
  const ask = async (path: string, body: string, type = 'application/json') => {
    const url = new URL(path, page.url());
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
    const { detail } = (await response.json()) as { readonly detail: string };
    return `${response.status} ${detail}`;
  };
  const deep = `${'['.repeat(2000)}${']'.repeat(2000)}`;
  assert.match(await ask('/data', deep), /^422 .* nested deeper than/);
  assert.match(await ask('/data', `[${'1'.repeat(200_000)}]`), /^413 the body is larger than 100 kB/);
  assert.match(await ask('/jobs', '{"way":'), /^422 body: /);
  assert.match(await ask('/jobs', '{"way":"task","seconds":1e999}'), /^422 seconds: /);
  assert.match(await ask('/purge', '{"way":"task"}', 'text/plain'), /^403 a page of another site/);
  assert.match(await ask('/kill', '{"pid":1}'), /^404 there is no program 1/);
  const unknown = '{"task_id":"none","status":"DONE"}';
  assert.match(await ask('/update_task_status_api', unknown), /^404 there is no job 'none'/);
  assert.match(await ask('/nothing', ''), /^404 there is no \/nothing/);
});

test('it measures, and fits on a phone in the dark', { skip }, async () => {
  await button('Measure').click();
  await page.getByRole('rowheader', { name: 'Code of this way' }).waitFor({ timeout: 300_000 });
  await isGood('measured');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 720 });
  await isGood('phone-dark');
});
