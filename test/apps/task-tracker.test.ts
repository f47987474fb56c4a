// examples/task-tracker as its README says: `npm start`, once, and what a person does first. All else: `npm run test:long -- apps`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { until } from '../until.ts';

let folder: string;
let npmStart: ChildProcess;
let screen = '';
let url = '';
let mails = '';
let token = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-tracker-'));
  const env = { ...process.env, DATA: folder, PORT: '0', MAIL_PORT: '0' };
  const start = join(root, 'examples/task-tracker/start.mjs');
  npmStart = spawn(process.execPath, [start], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [npmStart.stdout, npmStart.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
    });
  await until(
    () => screen.includes('Ctrl-C stops it.') || npmStart.exitCode !== null,
    () => screen,
  );
  url = /API +(\S+)\/docs/.exec(screen)?.[1] ?? screen;
  mails = /Mails +(\S+)/.exec(screen)?.[1] ?? screen;
});

afterAll(async () => {
  if (npmStart?.exitCode === null) {
    const ended = once(npmStart, 'exit');
    npmStart.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer; // what its documentation says
}

test('a task with a deadline is reminded of by mail, and exported to a file', async () => {
  const ada = { email: 'ada@example.com', password: 'analytical engine' };
  ({ token } = await ask<{ token: string }>('POST', '/auth/login', ada));
  const deadline = new Date(Date.now() + 3_600_000).toISOString();
  await ask('POST', '/tasks', { title: 'Feed the cat', deadline });
  await until(
    async () => (await (await fetch(`${mails}/mails.json`)).text()).includes('Due soon: Feed the cat'),
    () => screen,
  );
  const { task_id } = await ask<{ task_id: string }>('POST', '/tasks/export?export_format=json');
  await until(
    async () => {
      const status = await ask<{ download: string | null }>('GET', `/tasks/export-status/${task_id}`);
      return status.download;
    },
    () => screen,
  );
  const file = await ask<{ title: string }[]>('GET', `/tasks/export-download/${task_id}`);
  expect(file.map(({ title }) => title)).toContain('Feed the cat');
});
