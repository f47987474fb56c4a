// Celery's commands against our worker, those that the suite beside does not try.
import { expect, test } from 'vitest';
import type { App } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patience } from '../until.ts';
import type { MemoryLog } from '../worker/memory-log.ts';
import type { CelerySettings } from './harness/python-process.ts';

export interface Between {
  readonly app: App;
  readonly worker: Worker;
  /** What it says. */
  readonly log: MemoryLog;
  /** The name of our worker, which serves the queue `ts`. */
  readonly node: string;
  readonly python: CelerySettings;
  readonly urls: { readonly broker: string; readonly backend: string };
  /** Runs `celery …` and gives what it printed. */
  celery(...args: readonly string[]): Promise<string>;
  /** The answer of our worker to a command of Celery's. */
  asked(...args: readonly string[]): Promise<unknown>;
}

export function commandCases(between: () => Between): void {
  test("Python's call, result and purge reach us", async () => {
    const { app, celery } = between();
    const printed = await celery('call', 'ts.add', '-a', '[2, 3]', '--queue', 'ts');
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(printed)?.[0] ?? '';
    expect(await app.result(id).get(patience)).toBe(5);
    for (let n = 0; n < 3; n++) await app.send('ts.add', [n, n], { queue: 'purged' });
    const [result, purged] = await Promise.all([celery('result', id), celery('purge', '-f', '-Q', 'purged')]);
    expect(result).toMatch(/^5$/m);
    expect(purged).toContain('Purged 3 messages from 1 known task queue');
    expect(await (await app.broker()).size('purged')).toMatchObject({ ready: 0 });
  });

  test("the rest of Python's control is answered in Celery's form", async () => {
    const { app, asked } = between();
    const held = await app.send('ts.held', [], { queue: 'ts' });
    await expect.poll(() => held.status()).toBe('STARTED');
    const [enabled, terminated, beat, restarted, memory] = await Promise.all([
      asked('control', 'enable_events'),
      asked('control', 'terminate', 'SIGTERM', held.id),
      asked('control', 'heartbeat'),
      asked('control', 'pool_restart'),
      asked('inspect', 'memsample'),
    ]);
    expect(enabled).toEqual({ ok: expect.stringMatching(/^task events (already )?enabled$/) });
    expect(terminated).toEqual({ ok: `terminate: ${held.id}` });
    expect([beat, restarted]).toEqual([null, { error: "ValueError('Pool restarts not enabled')" }]);
    expect(memory).toEqual(expect.stringContaining('rss'));
    await expect(held.get(patience)).rejects.toThrow(/terminated|revoked/);
    const [revoked, disabled] = await Promise.all([
      asked('inspect', 'revoked'),
      asked('control', 'disable_events'),
    ]);
    expect(revoked).toContain(held.id);
    expect(disabled).toEqual({ ok: 'task events disabled' });
  });

  test("Python's control ends our worker, and its status no longer shows it", async () => {
    const { app, celery } = between();
    await using going = new Worker(app, { name: 'going@here', queues: ['going'] });
    await going.start();
    const running = going.run();
    await celery('control', 'shutdown', '-d', 'going@here');
    await running;
    expect(await celery('status', '-t', '1')).not.toContain('going@here');
  });
}
