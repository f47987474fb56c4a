import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Program, project, shop, start, umbel, umbelProcess, workerOf } from './harness.ts';

const withApp = ['-A', './app.js'];

async function startGateway(folder: string, args: string[], env: Record<string, string> = {}) {
  const gateway = start(folder, [...withApp, 'gateway', '--log-format', 'json', ...args], { env });
  return { gateway, url: await urlOf(gateway) };
}

async function urlOf(gateway: Program): Promise<string> {
  await gateway.said(/"url":"[^"]+"/);
  return /"url":"([^"]+)"/.exec(gateway.stderr)?.[1] ?? '';
}

test('a task sent over HTTP is run by a worker, and SIGTERM ends the gateway with exit code 0', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  const { gateway, url } = await startGateway(folder, ['--port', '0']);
  const sent = await fetch(`${url}/tasks/shop.add`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ args: [2, 3] }),
  });
  expect(sent.status).toBe(202);
  const { id } = (await sent.json()) as { id: string };
  const result = await fetch(`${url}/tasks/${id}/result?wait=60`);
  expect(await result.json()).toMatchObject({ status: 'SUCCESS', result: 5 });
  gateway.kill('SIGTERM');
  expect((await gateway.ended).code).toBe(0);
});

test('PORT chooses the port, and --port wins over it', async () => {
  const folder = project({ 'app.js': shop });
  const { url } = await startGateway(folder, ['--port', '0'], { PORT: '1' });
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const bad = await umbel(folder, [...withApp, 'gateway'], { env: { PORT: 'http' } });
  expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining('PORT=http is not a port') });
});

test('a port that is in use is named, with the way out', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const address = taken.address();
  const port = String(typeof address === 'object' ? address?.port : '');
  const folder = project({ 'app.js': shop });
  const { code, stderr } = await umbelProcess(folder, [...withApp, 'gateway', '--port', port]);
  expect(stderr).toContain(port);
  expect(stderr).toMatch(/^umbel: .*in use.*\[/m);
  expect(code).toBe(1);
});

test('with an API key nothing is answered without it; the key comes by option or environment', async () => {
  const folder = project({ 'app.js': shop });
  const { url } = await startGateway(folder, ['--port', '0'], { UMBEL_API_KEY: 'first,second' });
  expect((await fetch(`${url}/tasks`)).status).toBe(401);
  expect((await fetch(`${url}/tasks`, { headers: { authorization: 'Bearer second' } })).status).toBe(200);
});

test('another address than loopback needs a key', async () => {
  const folder = project({ 'app.js': shop });
  const { code, stderr } = await umbel(folder, [...withApp, 'gateway', '--port', '0', '--host', '0.0.0.0']);
  expect(stderr).toMatch(/key/);
  expect(stderr).toContain('[UMBEL_CONFIG]');
  expect(code).toBe(1);
});
