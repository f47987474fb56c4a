// A page of the dashboard in Chromium: what it does that it must not, and what is wrong with how it looks.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { patienceMs } from '../until.ts';

/** A folder for pictures of the pages, for people to look at. */
const pictures = process.env.UMBEL_TEST_PICTURES;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const desk = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

export interface WatchedPage {
  readonly page: Page;
  /** What it did that it must not: asked another host, opened a dialog, threw, logged an error. */
  readonly wrongs: string[];
  /** Opens this address, and waits until its data is there. */
  open(url: string): Promise<void>;
  /** What axe finds wrong with it as it is shown. */
  faults(rules?: readonly string[]): Promise<readonly string[]>;
  /** The same in both themes, and whether it is wider than a phone; with a picture of each. `name`: how the pictures are called. */
  faultsInBoth(name: string): Promise<readonly string[]>;
}

/** @param mayFail requests for which the server may answer with an error: the browser logs each */
export async function watchedPage(browser: Browser, mayFail?: RegExp): Promise<WatchedPage> {
  const wrongs: string[] = [];
  const context = await browser.newContext({ viewport: desk, colorScheme: 'light' });
  await context.route(
    (url) => url.hostname !== '127.0.0.1',
    (route) => {
      wrongs.push(`asked for ${route.request().url()}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  page.on('dialog', (dialog) => {
    wrongs.push(`opened ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => wrongs.push(`${page.url()} threw ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && mayFail?.test(message.location().url) !== true)
      wrongs.push(`${page.url()} said ${message.text()}`);
  });
  const faults = async (rules?: readonly string[]): Promise<readonly string[]> => {
    await page.evaluate(axe);
    const { violations } = await page.evaluate<AxeResults, readonly string[] | null>(
      (only) =>
        (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run(
          only === null ? {} : { runOnly: [...only] },
        ), // the script above has set it
      rules ?? null,
    );
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  };
  return {
    page,
    wrongs,
    open: (url) => open(page, url),
    faults,
    async faultsInBoth(name) {
      const picture = async (how: string): Promise<void> => {
        const file = `${name} ${how}`.replace(/[^\w@]+/g, '-');
        if (pictures !== undefined)
          await page.screenshot({ path: join(pictures, `${file}.png`), fullPage: true });
      };
      const found = [...(await faults())];
      await picture('light');
      await page.emulateMedia({ colorScheme: 'dark' });
      found.push(...(await faults(['color-contrast'])).map((fault) => `in the dark: ${fault}`));
      await page.setViewportSize(phone);
      const wider = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
      if (wider > 0) found.push(`${wider} px wider than a phone`);
      await picture('dark phone');
      await page.setViewportSize(desk);
      await page.emulateMedia({ colorScheme: 'light' });
      return found;
    },
  };
}

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator('main h1').waitFor();
  await page.locator('main .loading').waitFor({ state: 'detached' });
}

/** What a browser with an empty cache loads until this address is shown with its data: names of files, and all bytes on the wire. */
export async function firstVisit(
  browser: Browser,
  url: string,
): Promise<{ readonly files: readonly string[]; readonly bytes: number }> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    const files: string[] = [];
    let bytes = 0;
    network.on('Network.responseReceived', ({ response }) => {
      files.push(new URL(response.url).pathname);
      bytes += response.encodedDataLength; // of the headers
    });
    network.on('Network.dataReceived', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    await network.send('Network.enable');
    await open(page, url);
    return { files, bytes };
  } finally {
    await context.close();
  }
}
