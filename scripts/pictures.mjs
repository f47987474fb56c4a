// Makes the pictures of the README and the site, docs/assets/: `npm run pictures`. A sample application runs for a while, so that there is
// something to see (`-- --minutes 25`); Chromium shows its dashboard, and terminals of `script` a worker and `umbel top`, as a moving picture.
// `-- --minutes 2 --terminals` makes that one alone.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { linesOf, movingSvgOf, screenOf } from './pictures/terminal-svg.mjs';
import { fail, root, setUp } from './setup.mjs';

const executablePath = process.env.UMBEL_TEST_CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath))
  fail(`No Chromium at ${executablePath}: install it, or set UMBEL_TEST_CHROMIUM.`);
await setUp();

/** How long the application runs before the pictures are taken. */
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '25' }, terminals: { type: 'boolean', default: false } },
});
const warmUpMs = Number(values.minutes) * 60_000;
const [columns, rows] = [108, 21];
/** How long the moving picture lasts, and how many lines of the worker's log it shows. */
const [movesMs, logRows] = [12_000, 10];
const assets = join(root, 'docs', 'assets');
mkdirSync(assets, { recursive: true });

const folder = mkdtempSync(join(tmpdir(), 'umbel-pictures-'));
cpSync(join(root, 'scripts', 'pictures'), folder, { recursive: true });
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'umbel'), 'dir');

const running = [];
const start = (command, args, options = {}) => {
  const child = spawn(command, args, { cwd: folder, stdio: 'ignore', ...options });
  running.push(child);
  return child;
};
const main = join(root, 'dist', 'cli', 'main.js');
const umbel = (...args) => start(process.execPath, [main, '-A', './shop.mjs', '-q', ...args]);

try {
  const port = await freePort();
  umbel('flower', '--port', String(port));
  const worker = terminalWith('worker', '-n', 'celery@eu1', '-Q', 'celery,mail', '-c', '6', '-E', '-B');
  umbel('worker', '-n', 'celery@eu2', '-Q', 'images,reports', '-c', '4', '-l', 'critical', '-E');
  start(process.execPath, ['customers.mjs']);
  const terminal = terminalWith('top');
  await sleep(warmUpMs);
  await terminalsAs(worker, terminal);
  if (!values.terminals) {
    await pageAs(`http://127.0.0.1:${port}/`, join(assets, 'dashboard.png'));
    await pagesOf(`http://127.0.0.1:${port}`);
  }
  console.log(
    `Wrote docs/assets: worker-and-top.svg${values.terminals ? '' : ', dashboard.png and dashboard/'}.`,
  );
} finally {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(
    running.map((child) => child.exitCode ?? new Promise((done) => child.once('exit', done))),
  );
  rmSync(folder, { recursive: true, force: true });
}

/** A command in a terminal, which `script` gives it, and all that it has written there: `parts`, each with its time. */
function terminalWith(...args) {
  const command = `stty cols ${columns} rows ${rows}; exec ${process.execPath} ${main} -A ./shop.mjs ${args.join(' ')}`;
  const child = start('script', ['-qfc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const parts = [];
  child.stdout.setEncoding('utf8').on('data', (text) => parts.push({ atMs: performance.now(), text }));
  return { parts };
}

/** The log of the worker and, below it, the screen of `top`, as a moving picture of the next seconds. */
async function terminalsAs(worker, top) {
  const screen = () => screenOf(top.parts.map(({ text }) => text).join('')).slice(0, rows);
  const startedMs = performance.now();
  const screens = [];
  for (let atMs = 0; atMs < movesMs; atMs = Math.round(performance.now() - startedMs)) {
    screens.push({ atMs, lines: screen() });
    await sleep(200);
  }
  const log = worker.parts.flatMap(({ atMs, text }) =>
    linesOf(text).map((line) => ({ atMs: Math.round(atMs - startedMs), text: line })),
  );
  const svg = movingSvgOf({
    ...{ log: log.slice(-400).filter(({ atMs }) => atMs < movesMs), logRows },
    ...{ screens, lastsMs: movesMs, columns },
    title: 'umbel worker, and umbel top below it',
  });
  writeFileSync(join(assets, 'worker-and-top.svg'), svg);
}

async function pageAs(url, path) {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 });
  await page.goto(url);
  await page.waitForLoadState('networkidle').catch(() => {});
  await sleep(3_000);
  await page.screenshot({ path });
  await browser.close();
}

/** A picture of each page of the dashboard, as small files: docs/assets/dashboard/. */
async function pagesOf(url) {
  const api = async (path) => (await fetch(`${url}/api/v1/${path}`)).json();
  const first = async (query) => (await api(`tasks?limit=1&query=${encodeURIComponent(query)}`)).tasks[0];
  const waiting = await first('name:images.resize queue:forgotten');
  const album = await first('name:images.album state:success');
  const job = await fetch(`${url}/api/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'name:mail.welcome state:failure' }),
  }).then((response) => response.json());
  const pages = {
    overview: '/',
    tasks: '/tasks',
    task: `/tasks/${album?.id}`, // a failed one would show the paths of this machine
    workflow: `/workflows/${album?.rootId}`,
    chord: `/tasks/${waiting?.id}`,
    failures: '/failures',
    job: `/jobs/${job.id}`,
    queues: '/queues',
    queue: '/queues/mail?tab=scheduled',
    workers: '/workers',
    worker: '/workers/celery@eu1?tab=limits',
    schedules: '/schedules',
    limits: '/limits',
    dead: '/dead',
    doctor: '/doctor?tab=tasks',
    audit: '/audit',
  };
  const folder = join(assets, 'dashboard');
  mkdirSync(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  const page = await browser.newPage({ viewport: { width: 1120, height: 660 } });
  const blank = await browser.newPage();
  for (const [name, path] of Object.entries(pages)) {
    await page.emulateMedia({ colorScheme: name === 'tasks' ? 'dark' : 'light' });
    await page.goto(url + path);
    await page.locator('main h1').waitFor();
    await sleep(3_000);
    const end = await page
      .locator('main')
      .evaluate((main) => main.lastElementChild?.getBoundingClientRect().bottom);
    const height = Math.round(Math.min(660, Math.max(430, end + 24)));
    const clip = { x: 0, y: 0, width: 1120, height };
    const shot = `data:image/png;base64,${(await page.screenshot({ clip })).toString('base64')}`;
    const webp = await blank.evaluate(async (source) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.width, image.height];
      canvas.getContext('2d').drawImage(image, 0, 0);
      return canvas.toDataURL('image/webp', 0.8).split(',')[1];
    }, shot);
    writeFileSync(join(folder, `${name}.webp`), Buffer.from(webp, 'base64'));
  }
  await browser.close();
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
