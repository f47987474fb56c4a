// What a task that computes without end does to its worker.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { until } from '../until.ts';
import { moduleOf } from './bench.ts';

interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  readonly said: { log: string; errors: string };
}

function start(...args: string[]): Program {
  const child = fork(moduleOf('test/worker/event-loop-program.ts'), args, { execArgv: [], silent: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close');
  const said = { log: '', errors: '' };
  child.stdout?.on('data', (text: Buffer) => {
    said.log += text;
  });
  child.stderr?.on('data', (text: Buffer) => {
    said.errors += text;
  });
  return { child, ended, said };
}

test('a blocked event loop is said while it is blocked, and in the log when it goes on', async () => {
  const { child, ended, said } = start();
  await until(() => said.log.includes('\n'), 'the line in the log');
  child.send('heard');
  expect(await ended).toEqual([0, null]);
  expect(said.errors).toMatch(
    /^umbel: w@here: the event loop has been blocked for 0 s; the task that began last is shop\.count\?\[a\]\n/,
  );
  expect(JSON.parse(said.log.split('\n')[0] ?? '')).toMatchObject({
    task: 'shop.count?[a]',
    text: expect.stringMatching(
      /^the event loop was blocked for 0 s; the task that began last was shop\.count/,
    ),
  });
});

test('with workerMaxBlocked a worker that is blocked for longer ends itself; the task that does it again is a dead letter', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-blocked-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const broker = `sqlite://${join(folder, 'store.db')}`;
  await using app = new App('spinning', { broker });
  const spun = await app.send('spin', []);
  const quick = await app.send('quick', ['a']);
  for (let died = 1; died <= 3; died++) {
    const { ended, said } = start(broker);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(said.errors).toContain(
      `the task that began last is spin[${spun.id}]: workerMaxBlocked ends this process`,
    );
  }
  const { child, ended } = start(broker);
  await expect(spun.get({ timeout: 60 })).rejects.toThrow(/3 workers died/);
  expect(await quick.get({ timeout: 60 })).toBe('a');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});
