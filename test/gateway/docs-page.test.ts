import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { GatewayServer } from '../../src/gateway/gateway.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { needs } from '../needs.ts';
import { patienceMs, until } from '../until.ts';
import { get, newApp, newGateway, startServer, startWorker } from './bench.ts';

it('the page says nothing of the application and takes nothing from elsewhere', async () => {
  const gateway = newGateway(newApp(), { apiKeys: ['secret'] });
  const response = await get(gateway, '/docs');
  expect(response.status).toBe(200);
  const html = await response.text();
  expect(html).not.toContain('shop');
  expect(html).not.toMatch(/https?:|\/\/[a-z]/i);
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style| on[a-z]+=/i);
  const policy = response.headers.get('content-security-policy');
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});

it.each([
  'page.js',
  'page.css',
  'swagger-ui-bundle.js',
  'swagger-ui.css',
  'favicon-32x32.png',
])('the page’s file %s is served once and then known by its tag', async (file) => {
  const gateway = newGateway(newApp());
  const first = await get(gateway, `/docs/${file}`);
  expect(first.status).toBe(200);
  expect((await first.arrayBuffer()).byteLength).toBeGreaterThan(100);
  const again = await get(gateway, `/docs/${file}`, { 'if-none-match': first.headers.get('etag') ?? '' });
  expect(again.status).toBe(304);
});

it.each([
  'package.json',
  '..%2Fgateway.ts',
  '%2e%2e%2fdocs-page.ts',
  'swagger-ui.js',
  'constructor',
  'a%00.js',
])('no other file is served: /docs/%s', async (file) => {
  expect((await get(newGateway(newApp()), `/docs/${file}`)).status).toBe(404);
});

it('people who open the gateway’s address come to the page', async () => {
  const response = await get(newGateway(newApp(), { basePath: '/api' }), '/api/');
  expect([response.status, response.headers.get('location')]).toEqual([302, '/api/docs']);
});

needs(describe, noChromium)('in a browser without network', () => {
  let profile: string;
  let browser: Browser;
  let context: BrowserContext | undefined;
  let page: Page;
  /** What the page did that it must not do. */
  let wrongs: string[];

  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), 'umbel-chromium-'));
    browser = await launchChromium(profile);
  });

  afterAll(async () => {
    await context?.close();
    await browser?.close();
    await rm(profile, { recursive: true, force: true });
  });

  /** A page of its own in a browser that knows nothing of those before. */
  async function openPage(): Promise<void> {
    wrongs = [];
    await context?.close();
    context = await browser.newContext({ viewport: { width: 1200, height: 1000 } });
    await context.route(
      (url) => url.hostname !== '127.0.0.1' && url.protocol !== 'data:',
      (route) => {
        wrongs.push(`asked for ${route.request().url()}`);
        return route.abort();
      },
    );
    page = await context.newPage();
    page.setDefaultTimeout(patienceMs);
    page.on('pageerror', (error) => wrongs.push(`threw ${error.message}`));
    page.on('console', (message) => {
      // Content-policy violations, failed loads, Swagger UI's own complaints about the document.
      if (message.type() === 'error') wrongs.push(`said ${message.text()}`);
    });
  }

  const runs: unknown[] = [];

  async function startShop(options: { readonly apiKeys?: readonly string[] } = {}): Promise<GatewayServer> {
    runs.length = 0;
    const app = newApp();
    app.task(
      'shop.order',
      {
        description: 'Orders something.',
        input: z.object({ customer: z.string().describe('Who pays.'), amount: z.number().int().default(3) }),
      },
      (input) => runs.push(input),
    );
    app.task('shop.add', (x: number, y: number) => runs.push(x + y));
    await startWorker(app);
    return startServer(app, options);
  }

  async function shot(name: string): Promise<void> {
    const folder = process.env.UMBEL_TEST_SCREENSHOTS;
    if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }

  /** Unfolds the form of a task. */
  async function openForm(path: string): Promise<Locator> {
    const form = page.locator('.opblock', { has: page.locator(`[data-path="${path}"]`) });
    await form.locator('.opblock-summary-control').click();
    await form.locator('textarea.body-param__text').waitFor();
    return form;
  }

  /** Sends what is typed; the answer, which must have this status. */
  async function sendFrom(form: Locator, body: string, status: string): Promise<string> {
    await form.locator('textarea.body-param__text').fill(body);
    await form.locator('button.execute').click();
    const answer = form.locator('.live-responses-table .response').first();
    await answer.locator('.response-col_status', { hasText: status }).waitFor();
    return answer.innerText();
  }

  it('the page shows every task with its form, sends a call that runs, and shows what is wrong with one that does not fit', async () => {
    const server = await startShop();
    await openPage();
    await page.goto(`${server.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    await shot('docs');
    const paths = await page
      .locator('.opblock-summary-path')
      .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('data-path')));
    expect(paths).toEqual(
      expect.arrayContaining([
        '/tasks/shop.order',
        '/tasks/shop.add',
        '/tasks',
        '/tasks/{id}',
        '/tasks/{id}/result',
      ]),
    );
    expect(await page.locator('.info .title').innerText()).toContain('shop');

    // The form is filled in with an example of what the task takes.
    const form = await openForm('/tasks/shop.order');
    const example = JSON.parse(await form.locator('textarea.body-param__text').inputValue());
    expect(example).toEqual({ customer: expect.any(String), amount: 3 });
    expect(await form.innerText()).toContain('Orders something.');

    expect(await sendFrom(form, '{"customer": "Ann"}', '202')).toContain('202');
    await until(() => runs.length === 1);
    expect(runs).toEqual([{ customer: 'Ann', amount: 3 }]);
    await shot('sent');
    expect(wrongs).toEqual([]);

    expect(await sendFrom(form, '{"customer": 7}', '422')).toContain('$.customer');
    // The browser itself notes the status as an error.
    expect(wrongs.filter((wrong) => !/status of 422/.test(wrong))).toEqual([]);
  });

  it('a gateway with API keys is asked with the key that was typed, which is not kept', async () => {
    const server = await startShop({ apiKeys: ['open-sesame'] });
    await openPage();
    await page.goto(`${server.url}/docs`);
    const input = page.locator('input[type=password]');
    await input.waitFor();
    await shot('key');
    expect(await page.locator('body').innerText()).not.toContain('shop');
    await input.fill('wrong');
    await input.press('Enter');
    await page.getByText('does not know this key').waitFor();
    await input.fill('open-sesame');
    await input.press('Enter');
    await page.locator('.opblock').first().waitFor();
    const form = await openForm('/tasks/shop.add');
    expect(await sendFrom(form, '{"args": [2, 3]}', '202')).toContain('202');
    await until(() => runs.length === 1);
    expect(
      await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'),
    ).not.toContain('sesame');
    expect(wrongs.filter((wrong) => !/status of 401/.test(wrong))).toEqual([]);
  });

  it('what a task says of itself runs nothing and loads nothing', async () => {
    const app = newApp();
    const attack =
      '<img src="https://evil.test/x" onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
    app.task(
      'shop.attack',
      { description: attack, input: z.object({ x: z.string().describe(attack).default(attack) }) },
      () => 1,
    );
    const server = await startServer(app);
    onTestFinished(() => server.stop());
    await openPage();
    await page.goto(`${server.url}/docs`);
    await openForm('/tasks/shop.attack');
    expect(await page.title()).toBe('shop');
    expect(await page.locator('.opblock script, .opblock [onerror]').count()).toBe(0);
    // The content policy stops the picture before it is asked for.
    expect(wrongs.filter((wrong) => !/violates the following Content Security Policy/.test(wrong))).toEqual(
      [],
    );
  });
});
