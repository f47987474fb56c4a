// The tests of examples/comparison itself: its page in a browser, and what it says where RabbitMQ is missing; and a RabbitMQ that dies under it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { until } from '../until.ts';

needs(test, noRabbit)('on RabbitMQ', { timeout: 1_200_000 }, async () => {
  const server = await RabbitServerProcess.shared();
  const env = { ...process.env, RMQ_URL: server.url(server.vhost()) };
  const tests = spawn(process.execPath, [join(root, 'examples/comparison/test.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [tests.stdout, tests.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const [code] = await once(tests, 'exit');
  expect(code, said).toBe(0);
});

needs(test, noRabbit)('the doctor finds nothing in it', async () => {
  const server = await RabbitServerProcess.shared();
  const env = {
    ...process.env,
    UMBEL_BROKER_URL: server.url(server.vhost()),
    UMBEL_RESULT_BACKEND: 'rpc://',
  };
  const command = [join(root, 'dist/cli/main.js'), '-A', './ways/task/app.ts', 'doctor', '--json'];
  const cwd = join(root, 'examples/comparison');
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd, env });
  expect(JSON.parse(stdout)).toEqual([]);
});

needs(test, noRabbit)(
  'a RabbitMQ that is silent is said to be; while it is away jobs by message are lost, and afterwards they are sent again',
  { timeout: 600_000 },
  async () => {
    const server = await RabbitServerProcess.start();
    onTestFinished(() => server[Symbol.asyncDispose]());
    const folder = mkdtempSync(join(tmpdir(), 'umbel-comparison-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const env = { ...process.env, DATA: folder, PORT: '0', DASHBOARD_PORT: '0', RMQ_URL: server.url() };
    const program = spawn(process.execPath, [join(root, 'examples/comparison/start.mjs')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let screen = '';
    program.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
    });
    await until(
      () => screen.includes('Ctrl-C stops it.'),
      () => screen,
    );
    const url = /Page +(\S+)/.exec(screen)?.[1] ?? screen;
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const statusOfLast = async (): Promise<string | undefined> => {
      const { jobs } = (await (await fetch(`${url}/state`)).json()) as { jobs: { status: string }[] }; // as api.ts says
      return jobs[0]?.status;
    };
    const send = () => post('/jobs', { way: 'message', seconds: 0.1 });

    await send();
    await until(async () => (await statusOfLast()) === 'DONE', 'a job by message');
    server.signal('SIGSTOP');
    const asked = await Promise.all([
      post('/purge', { way: 'task' }),
      post('/purge', { way: 'message' }),
      fetch(`${url}/inspect/active`),
    ]);
    for (const answer of asked) {
      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('has not answered within 2 s');
    }
    server.signal('SIGCONT');
    await until(async () => (await post('/purge', { way: 'task' })).status === 200, 'a purge of tasks');
    await server.stop('SIGKILL');
    await until(async () => (await post('/purge', { way: 'message' })).status === 503, 'a refusal');
    await send();
    await until(async () => (await statusOfLast()) === 'LOST', 'a lost job');
    await server.start();
    await until(async () => (await post('/purge', { way: 'message' })).status === 200, 'RabbitMQ');
    await send();
    await until(async () => (await statusOfLast()) === 'DONE', 'a job on the new connection');

    const ended = once(program, 'exit');
    program.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  },
);
