// A login with a provider, in Chromium.
import { expect, onTestFinished, test } from 'vitest';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { needs } from '../needs.ts';
import { freePort } from '../servers/redis.ts';
import { newApp, newFolder, startWorker } from '../worker/bench.ts';
import { client, TestProvider } from './oidc-provider.ts';
import { watchedPage } from './watched-page.ts';

needs(test, noChromium)(
  'people log in with a provider, act under their names and log out, and strangers stay outside',
  async () => {
    const provider = await new TestProvider().start();
    const app = await newApp('sqlite');
    app.task('shop.add', (a: number, b: number) => a + b);
    const port = await freePort(); // the provider must know the address before
    const dashboard = new Dashboard(app, {
      port,
      oidcIssuer: provider.issuer,
      oauth2Key: client.id,
      oauth2Secret: client.secret,
      oauth2RedirectUri: `http://127.0.0.1:${port}/login`,
      auth: 'ann@example.com',
    });
    onTestFinished(() => dashboard.stop());
    await dashboard.start();
    await startWorker(app, { taskEvents: true });
    const browser = await launchChromium(await newFolder());
    onTestFinished(() => browser.close());
    const { page, wrongs, faultsInBoth } = await watchedPage(browser, /\/login\?|\/api\/v1\/tasks\/[^/]+$/);
    const logIn = async (): Promise<void> => {
      await page.goto(`${dashboard.url}/tasks?q=name%3Ashop.add`);
      await page.getByRole('link', { name: 'Log in here' }).click();
    };

    await logIn();
    await page.getByText('No task matches').waitFor();
    expect(new URL(page.url()).searchParams.get('q')).toBe('name:shop.add');
    await page.locator('.rail').getByText('ann@example.com').waitFor();
    await page.getByRole('button', { name: 'Send a task…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name of the task').fill('shop.add');
    await dialog.getByLabel(/^Arguments/).fill('[2, 3]');
    await dialog.getByLabel('Reason').fill('to see it run');
    await dialog.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('main h1').getByText('Success').waitFor();
    expect(await app.audit.list()).toMatchObject([
      { user: 'ann@example.com', action: 'task.send', target: 'shop.add', reason: 'to see it run' },
    ]);

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'You are logged out' }).waitFor();
    expect(await faultsInBoth('logged out')).toEqual([]);
    await page.goto(`${dashboard.url}/tasks`);
    await page.getByRole('link', { name: 'Log in here' }).waitFor();

    provider.person = { sub: 'u2', email: 'mallory@example.com', email_verified: true };
    await logIn();
    await page.getByText('mallory@example.com may not use this dashboard').waitFor();
    expect(await faultsInBoth('not logged in')).toEqual([]);
    await page.goto(`${dashboard.url}/tasks`);
    await page.getByRole('link', { name: 'Log in here' }).waitFor();
    expect(wrongs).toEqual([]);
  },
);
