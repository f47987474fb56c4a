// The site as it is built, in a browser: each page, on a wide screen and on a phone, light and dark.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, noChromium } from '../chromium.ts';
import { needs } from '../needs.ts';
import { patienceMs } from '../until.ts';

const root = resolve(import.meta.dirname, '../..');
const site = join(root, 'docs', 'site', 'dist');
/** Below a path, as on many hosts: a link that forgets it is dead. */
const below = '/umbel/';
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** The file of the site that a path shows. */
function fileAt(path: string): string {
  const file = path.slice(below.length);
  return path.endsWith('/') ? `${file}index.html` : file;
}

/** Text of an attribute. */
function plain(attribute: string): string {
  return attribute
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

needs(describe, noChromium)('the site', () => {
  let folder: string;
  let server: Server;
  let browser: Browser;
  let page: Page;
  let base: string;
  /** All files of HTML; `pages`: those of the guides. */
  let files: readonly string[];
  let pages: readonly string[];
  /** What a page did that it must not do. */
  const wrongs: string[] = [];

  beforeAll(async () => {
    const built = spawnSync(process.execPath, [join(root, 'scripts', 'docs.mjs'), '--base', below], {
      encoding: 'utf8',
    });
    expect(built.status, built.stdout + built.stderr).toBe(0);
    files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.html'));
    pages = files.filter((path) => !path.startsWith('api/') && path !== '404.html');
    server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://site');
      const path = join(site, fileAt(pathname));
      if (!pathname.startsWith(below) || !existsSync(path)) return response.writeHead(404).end();
      return response.setHeader('content-type', types[extname(path)] ?? 'text/plain').end(readFileSync(path));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    // This server listens on an address, not on a path.
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}${below.slice(0, -1)}`;
    folder = await mkdtemp(join(tmpdir(), 'umbel-site-'));
    browser = await launchChromium(folder);
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(patienceMs);
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) wrongs.push(`${page.url()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => wrongs.push(`${page.url()}: ${error}`));
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${base}/`) && !/^(data|blob):/.test(url)) wrongs.push(`request to ${url}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400) wrongs.push(`${response.status()} ${response.url()}`);
    });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** The pages that are wider than the screen. */
  async function tooWide(): Promise<readonly string[]> {
    const wide: string[] = [];
    for (const path of pages) {
      await page.goto(`${base}/${path}`);
      await page.locator('.VPContent h1').first().waitFor();
      const width = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      if (width > 0) wide.push(`${path}: ${width} px`);
    }
    return wide;
  }

  it('shows each page without an error, a warning or a request to another host', async () => {
    expect(pages.length).toBeGreaterThan(40);
    expect(await tooWide()).toEqual([]);
    expect(wrongs).toEqual([]);
  }, 300_000);

  it('has no dead link: the file is there, and so is the heading', () => {
    const texts = new Map(files.map((path) => [path, readFileSync(join(site, path), 'utf8')]));
    const anchors = new Map(
      [...texts].map(([path, text]) => [
        path,
        new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => plain(id))),
      ]),
    );
    const dead = [...texts].flatMap(([path, text]) =>
      [...new Set([...text.matchAll(/<a [^>]*?href="([^"]+)"/g)].map(([, href = '']) => plain(href)))]
        .filter((href) => {
          const { origin, pathname, hash } = new URL(href, `http://site${below}${path}`);
          if (origin !== 'http://site') return false;
          const target = decodeURIComponent(fileAt(pathname));
          if (!pathname.startsWith(below) || !existsSync(join(site, target))) return true;
          return hash !== '' && !anchors.get(target)?.has(decodeURIComponent(hash.slice(1)));
        })
        .map((href) => `${path}: ${href}`),
    );
    expect(files.length).toBeGreaterThan(pages.length + 300); // the API
    expect(dead).toEqual([]);
  }, 60_000);

  it('draws the diagrams of states, in the colours of the page', async () => {
    await page.goto(`${base}/internals/states.html`);
    const drawings = page.locator('.diagram svg');
    await expect.poll(() => drawings.count(), { timeout: patienceMs }).toBe(4);
    expect(await drawings.first().textContent()).toContain('quarantined');
    const colour = (): Promise<string> =>
      page.evaluate("getComputedStyle(document.querySelector('.diagram svg')).fill");
    const light = await colour();
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(colour, { timeout: patienceMs }).not.toBe(light);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(wrongs).toEqual([]);
  });

  it('shows the API reference: each entry point, and a class with its members', async () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    await page.goto(`${base}/start.html`);
    await page.locator('.VPNavBar').getByText('API', { exact: true }).click();
    await page.waitForURL(/\/api\/index\.html$/);
    const modules = await page.locator('.tsd-panel a').allTextContents();
    for (const path of Object.keys(exports).filter((each) => !each.endsWith('.json')))
      expect(modules.map((name) => name.trim())).toContain(path.replace('.', 'umbel'));
    await page.goto(`${base}/api/classes/umbel.App.html`);
    await page.getByText('Defines a task.').first().waitFor();
    expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(wrongs).toEqual([]);
  });

  it('is searched without a server', async () => {
    await page.goto(`${base}/index.html`);
    await page.locator('#local-search button').first().click();
    await page.locator('.VPLocalSearchBox input').fill('acksLate');
    await page.locator('.VPLocalSearchBox .result').first().waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => !url.pathname.endsWith('/index.html'));
    expect(wrongs).toEqual([]);
  });

  it('fits a phone of 360 pixels', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await tooWide()).toEqual([]);
  }, 300_000);

  it('is dark where the system is', async () => {
    const background = (): Promise<string> =>
      page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(`${base}/start.html`);
    expect(await background()).toBe('rgb(255, 255, 255)');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto(`${base}/start.html`);
    expect(await background()).toBe('rgb(27, 27, 31)');
    expect(wrongs).toEqual([]);
  });

  it('has the texts for language models, with the markdown that they link', () => {
    const list = readFileSync(join(site, 'llms.txt'), 'utf8');
    const linked = [...list.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path);
    expect(linked.length).toBe(pages.length - 2); // all but the first page and the table of contents
    expect(linked.filter((path) => !existsSync(join(site, path)))).toEqual([]);
    expect(readFileSync(join(site, 'llms-full.txt'), 'utf8')).toContain('<!-- guide/tasks.md -->');
  });
});
