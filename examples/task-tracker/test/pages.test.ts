// The pages, in a browser: Debian's Chromium, or that of UMBEL_TEST_CHROMIUM. SCREENSHOTS=folder keeps what it saw.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Client, Tracker, until } from './harness.ts';

const executablePath = process.env.UMBEL_TEST_CHROMIUM ?? '/usr/bin/chromium';
const skip = existsSync(executablePath) ? false : `no browser at ${executablePath}`;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ada = { email: 'ada@example.com', password: 'analytical engine' };

let tracker: Tracker;
let browser: Browser;
let page: Page;
/** What the page did that it must not do. */
const wrongs: string[] = [];

before(async () => {
  if (skip) return;
  tracker = await Tracker.start('seeded', 'worker');
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme: 'light' });
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => wrongs.push(`threw ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && wrongs.push(`said ${message.text()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(tracker.url)) wrongs.push(`asked for ${request.url()}`);
  });
});
after(async () => {
  await browser?.close();
  await tracker?.[Symbol.asyncDispose]();
});

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const rows = () => page.locator('.rows > li');
const column = (status: string) => page.locator(`.column[data-status=${status}]`);
/** The number in the head of a column. */
const counted = async (status: string) => Number(await column(status).locator('.total').innerText());

/** It can be used by everybody, and nothing hangs out at the side. */
async function isGood(name: string): Promise<void> {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
  const { violations } = (await page.evaluate(`${axe}; axe.run()`)) as {
    violations: { id: string; nodes: { html: string }[] }[]; // as its documentation says
  };
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
    [],
    name,
  );
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(beyond <= 0, `${name} is ${beyond} pixels too wide`);
  assert.deepEqual(wrongs, []);
}

test('a stranger makes an account; who mistypes the password is told; who signs in sees the tasks', {
  skip,
}, async () => {
  await page.goto(tracker.url);
  await page.getByLabel('E-mail').fill(ada.email);
  await isGood('login');
  await button('I am new here').click();
  await page.getByLabel('Name').fill('Someone');
  await page.getByLabel('E-mail').fill('someone@example.com');
  await page.getByLabel('Password').fill('a long password');
  await button('Make the account').click();
  await page.getByText('There is nothing to do.').waitFor();
  await button('Account of Someone').click();
  await isGood('account');
  await button('Sign out').click();
  await page.getByLabel('E-mail').fill(ada.email);
  await page.getByLabel('Password').fill('wrong');
  await button('Sign in').click();
  await page.getByText('address or password are wrong').waitFor();
  assert.deepEqual(wrongs.splice(0).length, 1); // the browser's own note of the 401
  await page.getByLabel('Password').fill(ada.password);
  await button('Sign in').click();
  await rows().nth(24).waitFor();
  await isGood('list');
});

test('the list is filtered and paged, and its address says how', { skip }, async () => {
  await button('Next').click();
  await page.getByText('26–41 of 41').waitFor();
  await page.getByLabel('Priority').selectOption('Urgent');
  await page.getByText('6 tasks', { exact: true }).waitFor();
  assert.match(page.url(), /#\/list\?priority=urgent$/);
  await page.keyboard.press('Escape');
  await page.locator('h1').evaluate(() => (document.activeElement as HTMLElement).blur()); // away from the select
  await page.keyboard.press('/');
  await page.keyboard.type('mill');
  await page.waitForURL(/search=mill/);
  await until(
    async () => (await rows().allInnerTexts()).every((text) => text.includes('mill')),
    () => 'what was searched for',
  );
  await page.reload();
  await rows().first().waitFor();
  assert.equal(await page.getByLabel('Search in titles and descriptions').inputValue(), 'mill');
  await page.goto(`${tracker.url}/#/list`);
});

test('a task is made, changed and deleted by its form', { skip }, async () => {
  await page.keyboard.press('n');
  await isGood('form');
  await page.getByRole('textbox', { name: 'Title' }).fill('Feed the cat');
  await page.getByLabel('Deadline (').fill('2001-02-03T04:05');
  await button('Add').click();
  const row = rows().filter({ hasText: 'Feed the cat' });
  await row.getByText('3 Feb 2001').waitFor(); // the earliest: the first page has it
  await button(/^Feed the cat/).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Feed two cats');
  await button('Save').click();
  await button(/^Feed two cats/).click();
  await button('Delete').click();
  await button('Really delete it').click();
  await row.waitFor({ state: 'detached' });
});

test('a change that somebody else makes appears by itself', { skip }, async () => {
  const client = new Client(() => tracker.url);
  await client.login(ada);
  const deadline = '2001-02-03T04:05:00Z';
  const { body: task } = await client.ask('POST', '/tasks', { title: 'From elsewhere', deadline });
  await rows().filter({ hasText: 'From elsewhere' }).waitFor();
  await client.ask('DELETE', `/tasks/${task.id}`);
  await rows().filter({ hasText: 'From elsewhere' }).waitFor({ state: 'detached' });
});

test('what is selected by the keyboard is changed at once, and each task says what became of it', {
  skip,
}, async () => {
  await page.locator('h1').evaluate(() => (document.activeElement as HTMLElement).blur());
  for (const key of ['j', 'x', 'j', 'x']) await page.keyboard.press(key);
  await page.getByRole('combobox', { name: /^Change/ }).selectOption('Priority: Urgent');
  await isGood('bulk');
  await button('Change 2 tasks').click();
  await page.getByText('2 of 2 tasks').waitFor();
  assert.equal(await page.locator('[data-outcome=updated]').count(), 2);
  await isGood('bulk-done');
  await page.keyboard.press('Escape');
  await until(
    async () => (await page.locator('.rows .urgent').count()) >= 2,
    () => 'the new priority in the list',
  );
});

test('on the board a task is moved by dragging, by its arrows and by the keyboard', { skip }, async () => {
  await page.keyboard.press('2');
  await column('doing').locator('.card').first().waitFor();
  await isGood('board');
  const doing = await counted('doing');
  const is = (n: number) =>
    until(
      async () => (await counted('doing')) === n,
      () => `${n} in the column`,
    );
  await column('todo').locator('.card').first().dragTo(column('doing'));
  await is(doing + 1);
  await column('todo')
    .getByRole('button', { name: /to Doing$/ })
    .first()
    .click();
  await is(doing + 2);
  await column('doing').locator('.card').first().focus();
  await page.keyboard.press('Shift+ArrowRight');
  await is(doing + 1);
  await page.reload(); // the server says the same
  await column('doing').locator('.card').first().waitFor();
  await is(doing + 1);
});

test('an export shows how far it is, and is downloaded', { skip }, async () => {
  await page.keyboard.press('4');
  await button('Export as CSV').click();
  const link = page.getByRole('link', { name: 'Download' }).first();
  await link.waitFor();
  await isGood('exports');
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  assert.match(download.suggestedFilename(), /^tasks-.*\.csv$/);
  assert.match(readFileSync(await download.path(), 'utf8'), /^id,title,/);
});

test('statistics are charts, and tables', { skip }, async () => {
  await page.keyboard.press('3');
  await page.locator('svg[role=img]').nth(1).waitFor();
  await isGood('statistics');
  await page.getByText('As a table').first().click();
  assert.equal(await page.locator('details[open] tbody tr').count(), 30);
});

test('by day, by night, and on a phone', { skip }, async () => {
  await page.keyboard.press('?');
  await page.getByText('next and previous row of the list').waitFor();
  await isGood('help');
  await page.keyboard.press('Escape');
  for (const theme of ['system', 'light', 'dark']) {
    await button(`Theme: ${theme}`).waitFor();
    if (theme !== 'dark') await page.keyboard.press('t');
  }
  await page.setViewportSize({ width: 360, height: 720 });
  for (const [name, part] of [
    ['list', '.rows > li'],
    ['board', '.card'],
    ['statistics', 'svg[role=img]'],
    ['exports', '.rows > li'],
  ] as const) {
    await page.goto(`${tracker.url}/#/${name}`);
    await page.locator(part).first().waitFor();
    await isGood(`${name}-dark-phone`);
  }
  await button('New task').click();
  await isGood('form-dark-phone');
});
