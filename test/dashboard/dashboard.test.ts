import { gunzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { createDashboard, Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { version } from '../../src/lib/version.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

it('says who asks, under its prefix only', async () => {
  const ask = newDashboard(await newApp('sqlite'), { urlPrefix: '/flower' });
  const answer = await ask('/flower/api/v1/me');
  expect(answer.body).toMatchObject({ user: 'anybody', role: 'admin', readOnly: false, version });
  expect((await ask('/api/v1/me')).status).toBe(404);
  expect((await ask('/flower/api/v1/nothing')).headers.get('content-type')).toBe('application/problem+json');
});

it('gives the same page for every path of a page, with a policy that forbids inline code', async () => {
  const ask = newDashboard(await newApp('sqlite'));
  const [home, task] = await Promise.all([ask('/'), ask('/task/1234')]);
  expect(task.text).toBe(home.text);
  expect(home.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(home.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
  expect(home.headers.get('content-security-policy')).not.toContain('unsafe');
  expect((await ask('/assets/..%2fpackage.json')).status).toBe(404);
});

it('compresses files and answers for those who can read it, but not the live stream', async () => {
  const dashboard = createDashboard(await newApp('sqlite'), { insecure: true });
  onTestFinished(() => dashboard.close());
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    dashboard.fetch(new Request(`http://localhost${path}`, { headers }));
  const small = (path: string): Promise<Response> => get(path, { 'accept-encoding': 'gzip, deflate, br' });
  const home = await small('/');
  const [script = ''] = /\/assets\/[\w.-]+\.js/.exec(await (await get('/')).text()) ?? [];
  for (const path of ['/', script, '/api/v1/openapi.json']) {
    const [plain, compressed] = [await get(path), await small(path)];
    expect(plain.headers.get('content-encoding'), path).toBeNull();
    expect(compressed.headers.get('content-encoding'), path).toBe('gzip');
    for (const each of [plain, compressed]) expect(each.headers.get('vary'), path).toBe('Accept-Encoding');
    const bytes = Buffer.from(await compressed.arrayBuffer());
    expect(gunzipSync(bytes).toString(), path).toBe(await plain.text());
  }
  const etag = home.headers.get('etag') ?? '';
  expect((await get('/', { 'if-none-match': etag, 'accept-encoding': 'gzip' })).status).toBe(304);
  const live = await small('/api/v1/live');
  expect(live.headers.get('content-encoding')).toBeNull();
  await live.body?.cancel();
});

it('refuses another host, a page of another site, and to be open to everybody', async () => {
  const app = await newApp('sqlite');
  const ask = newDashboard(app);
  expect((await ask('/', { headers: { host: 'evil.test' } })).status).toBe(403);
  const foreign = { method: 'POST', headers: { origin: 'http://evil.test', 'sec-fetch-site': 'cross-site' } };
  expect((await ask('/api/v1/me', foreign)).status).toBe(403);
  expect(() => createDashboard(app)).toThrow('has no login');
  expect(() => new Dashboard(app, { address: '0.0.0.0' })).toThrow('has no login');
});

it('keeps the history of what happens while it runs', async () => {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  const add = app.task('shop.add', (a: number, b: number) => a + b);
  const dashboard = new Dashboard(app, { port: 0 });
  onTestFinished(() => dashboard.stop());
  await dashboard.start();
  expect((await fetch(`${dashboard.url}/api/v1/me`)).status).toBe(200);
  // Over HTTP a DELETE has a body of no known length.
  const gone = await fetch(`${dashboard.url}/api/v1/schedules/nobody`, { method: 'DELETE' });
  expect([gone.status, await gone.text()]).toEqual([404, expect.stringContaining('nobody')]);
  await startWorker(app, { taskEvents: true });
  await until(async () => {
    const sum = await add.delay(2, 3);
    await sum.get(patience);
    return (await app.history.list('state:success')).tasks.length > 0;
  }, 'a task in the history');
});

it('shows all beside another dashboard of the same history, which has each task once', async () => {
  const app = await newApp('sqlite');
  const add = app.task('shop.add', (x: number, y: number) => x + y);
  const dashboards = [newDashboard(app), newDashboard(app)];
  for (const ask of dashboards) expect((await ask('/api/tasks')).body).toEqual({}); // both listen
  await startWorker(app, { taskEvents: true });
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => add.delay(n, 1)));
  for (const result of results) await result.get(patience);
  for (const ask of dashboards) {
    await until(async () => {
      const { body } = await ask('/workers?json=1');
      return (body as { data: { 'task-succeeded'?: number }[] }).data[0]?.['task-succeeded'] === 20;
    }, 'the events of all tasks');
    await until(async () => (await ask('/api/v1/tasks/counts')).text === '{"SUCCESS":20}', 'the history');
  }
});

it('sends a task from its form', async () => {
  const app = await newApp('sqlite');
  app.task('shop.add', { parameters: ['x', 'y'] }, (x: number, y: number) => x + y);
  const ask = newDashboard(app);
  const send = (body: object) =>
    ask('/api/v1/tasks/send?reason=try', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const { status, body } = await send({ name: 'shop.add', args: [2], kwargs: { y: 3 }, queue: 'slow' });
  expect([status, body]).toEqual([200, { id: expect.any(String) }]);
  const [waiting] = await app.queues.peek('slow');
  expect(waiting?.call).toMatchObject({ task: 'shop.add', args: [2], kwargs: { y: 3 } });
  expect((await ask('/api/v1/audit')).body).toMatchObject({
    entries: [{ action: 'task.send', target: 'shop.add', reason: 'try' }],
  });
  const refused = await send({ args: [2] });
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('name')]);
});
