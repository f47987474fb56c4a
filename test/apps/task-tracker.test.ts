// examples/task-tracker as its README says: `npm start`, once, and a reminder and an export. All else: `npm run test:long -- apps`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { launchChromium, noChromium } from '../chromium.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { patienceMs, until } from '../until.ts';

let folder: string;
let npmStart: ChildProcess;
let screen = '';
let url = '';
let mails = '';
let token = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-tracker-'));
  const env = { ...process.env, DATA: folder, PORT: '0', MAIL_PORT: '0', DASHBOARD_PORT: '0' };
  const start = join(root, 'examples/task-tracker/start.mjs');
  npmStart = spawn(process.execPath, [start], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [npmStart.stdout, npmStart.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
    });
  await until(
    () => (/API \S+/.test(screen) && screen.includes('Ctrl-C stops it')) || npmStart.exitCode !== null,
    () => screen,
  );
  url = /API +(\S+)\/docs/.exec(screen)?.[1] ?? screen;
  mails = /Mails +(\S+)/.exec(screen)?.[1] ?? screen;
});

afterAll(async () => {
  if (npmStart?.exitCode === null) {
    const ended = once(npmStart, 'exit');
    npmStart.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer; // what its documentation says
}

test('a task with a deadline is reminded of by mail, and exported to a file', async () => {
  const ada = { email: 'ada@example.com', password: 'analytical engine' };
  ({ token } = await ask<{ token: string }>('POST', '/auth/login', ada));
  const deadline = new Date(Date.now() + 3_600_000).toISOString();
  await ask('POST', '/tasks', { title: 'Feed the cat', deadline });
  await until(
    async () => (await (await fetch(`${mails}/mails.json`)).text()).includes('Due soon: Feed the cat'),
    () => screen,
  );
  const { task_id } = await ask<{ task_id: string }>('POST', '/tasks/export?export_format=json');
  await until(
    async () => {
      const status = await ask<{ download: string | null }>('GET', `/tasks/export-status/${task_id}`);
      return status.download;
    },
    () => screen,
  );
  const file = await ask<{ title: string }[]>('GET', `/tasks/export-download/${task_id}`);
  expect(file.map(({ title }) => title)).toContain('Feed the cat');
});

needs(test, noChromium ?? inLongRun)(
  'its pages are used by keyboard, tell of changes, and fit on a phone',
  async () => {
    const browser = await launchChromium(folder);
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    page.setDefaultTimeout(patienceMs);
    const wrongs: string[] = [];
    page.on('pageerror', (error) => wrongs.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') wrongs.push(message.text());
    });
    await page.goto(url);
    await page.getByLabel('E-mail').fill('ada@example.com');
    await page.getByLabel('Password').fill('analytical engine');
    await page.keyboard.press('Enter');
    await page.locator('.rows > li').first().waitFor();

    await page.keyboard.press('n');
    await page.getByRole('textbox', { name: 'Title' }).fill('Water the plants');
    await page.getByRole('textbox', { name: 'Deadline' }).fill('2001-02-03T04:05'); // the first of all
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: /^Water the plants/ }).waitFor();
    await page.keyboard.press('2');
    await page.getByRole('group', { name: 'Water the plants, To do' }).focus();
    await page.keyboard.press('Shift+ArrowRight');
    await page.getByRole('group', { name: 'Water the plants, Doing' }).waitFor();
    await page.keyboard.press('4');
    await page.getByRole('button', { name: 'Export as CSV' }).click();
    await page.getByRole('link', { name: 'Download' }).first().waitFor();

    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await page.setViewportSize({ width: 360, height: 720 });
    for (const [name, part] of Object.entries({
      list: '.rows > li',
      board: '.card',
      statistics: 'svg[role=img]',
    })) {
      await page.goto(`${url}/#/${name}`);
      await page.locator(part).first().waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth'), name).toBe(360);
      expect(
        await page.evaluate(`${axe}; axe.run().then((found) => found.violations.map(({ id }) => id))`),
      ).toEqual([]);
    }
    expect(wrongs).toEqual([]);
  },
);
