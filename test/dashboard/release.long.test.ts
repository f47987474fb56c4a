// A held message is given back from the page of its queue.
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { needs } from '../needs.ts';
import { patience, patienceMs } from '../until.ts';
import { newApp, newFolder, startWorker } from '../worker/bench.ts';

needs(test, noChromium)(
  'a message of a worker that hangs is released by its button, with a reason',
  async () => {
    const app = await newApp('sqlite');
    const leaving = new AbortController();
    let runs = 0;
    const hang = app.task('hang', async () => {
      if (++runs === 1) await once(leaving.signal, 'abort');
      return runs;
    });
    const dashboard = new Dashboard(app, { port: 0 });
    onTestFinished(() => dashboard.stop());
    await dashboard.start();
    await startWorker(app, { concurrency: 2 });
    const result = await hang.delay();
    const browser = await launchChromium(await newFolder());
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    page.setDefaultTimeout(patienceMs);
    await page.goto(`${dashboard.url}/queues/celery?tab=held`);
    await page.getByRole('button', { name: `Release hang ${result.id}` }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('it runs twice').waitFor();
    await dialog.getByLabel(/Reason/).fill('it hangs');
    await dialog.getByRole('button', { name: 'Release' }).click();
    await page.getByText('It is back in its queue.').waitFor();
    expect(await result.get(patience)).toBe(2);
    // The first run goes on, and its worker tells it; the message is not its own any more.
    await page.getByRole('button', { name: `Release hang ${result.id}` }).waitFor({ state: 'detached' });
    expect(await app.audit.list()).toMatchObject([{ action: 'task.release', reason: 'it hangs' }]);
    leaving.abort();
  },
);
