// What `terminate` does to the process that runs a task, by the signal that was named.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Task } from '../../../src/app/task.ts';
import { Control } from '../../../src/control/control.ts';
import type { AsyncResult } from '../../../src/results/async-result.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { patience, until } from '../../until.ts';
import { moduleOf, recordIn } from '../bench.ts';
import { MemoryLog } from '../memory-log.ts';
import * as tasks from './terminate-app.ts';

const module = moduleOf('test/worker/pools/terminate-app.ts');
const log = new MemoryLog();
const worker = new Worker(tasks.app, {
  pool: 'processes',
  module,
  concurrency: 3,
  logger: log,
  name: 'w@here',
});
const control = new Control(tasks.app);
const whom = { destination: ['w@here'], ...patience, limit: 1 };
beforeAll(() => worker.start());
afterAll(async () => {
  await worker.stop();
  await control[Symbol.asyncDispose]();
  await tasks.app.close();
});

/** Sends it, and waits until its code has begun; `said`: the words that it has left. */
async function running(
  task: Task<[string], void, unknown>,
): Promise<{ readonly result: AsyncResult<void>; readonly said: () => string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-terminate-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'said');
  const result = await task.delay(file);
  const said = (): string[] => {
    try {
      return readFileSync(file, 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  };
  await until(() => said().includes('begun'));
  return { result, said };
}

/** How the children went of which the pool has told. */
const ends = (): readonly string[] =>
  log.texts('debug').flatMap((text) => /is gone \((.*)\)$/.exec(text)?.[1] ?? []);

it('the signal ends a process that does not listen for it; default SIGTERM', async () => {
  const { result, said } = await running(tasks.waits);
  await control.revoke(result.id, { ...whom, terminate: true });
  const record = await recordIn(tasks.app, result.id, 'REVOKED');
  expect(record.result).toMatchObject({ exc_message: ['terminated'] });
  await until(() => ends().includes('signal SIGTERM'));
  expect(said()).toEqual(['begun']);
  expect(await (await tasks.pid.delay()).get(patience)).toBeGreaterThan(0);
});

it('any signal can be named, one that no code can hear too', async () => {
  const { result } = await running(tasks.blocks);
  await control.revoke(result.id, { ...whom, terminate: true, signalName: 'usr2' });
  await recordIn(tasks.app, result.id, 'REVOKED');
  await until(() => ends().includes('signal SIGUSR2'));
});

it('a result ends its own task, by the signal that it names', async () => {
  const { result } = await running(tasks.waits);
  const before = ends().length;
  await result.revoke({ terminate: true, signalName: 'SIGKILL' });
  await recordIn(tasks.app, result.id, 'REVOKED');
  await until(() => ends().length > before);
  expect(ends().slice(before)).toEqual(['signal SIGKILL']);
});

it("a task's own listener may tidy up before it ends", async () => {
  const { result, said } = await running(tasks.tidies);
  await control.terminate([result.id], { ...whom, signalName: 'SIGTERM' });
  await recordIn(tasks.app, result.id, 'REVOKED');
  await until(() => said().includes('tidied'));
  await until(() => ends().includes('exit code 0'));
});

it('what does not end of the signal, or cannot hear it, is killed after a while, and holds up nobody meanwhile', async () => {
  const [deaf, busy] = [await running(tasks.stubborn), await running(tasks.blocks)];
  const before = ends().length;
  await control.revoke(deaf.result.id, { ...whom, terminate: true, signalName: 'INT' });
  await control.revoke(busy.result.id, { ...whom, terminate: true });
  await recordIn(tasks.app, deaf.result.id, 'REVOKED');
  await recordIn(tasks.app, busy.result.id, 'REVOKED');
  expect(await (await tasks.pid.delay()).get(patience)).toBeGreaterThan(0);
  await until(() => ends().length >= before + 2);
  expect(ends().slice(before)).toEqual(['signal SIGKILL', 'signal SIGKILL']);
  expect(deaf.said()).toEqual(['begun', 'heard']);
});

it('a signal that there is not is refused', async () => {
  const answers = await control.revoke('none', { ...whom, terminate: true, signalName: 'SIGNOTHING' });
  expect(JSON.stringify([...answers.replies])).toContain('unknown signal SIGNOTHING');
});
