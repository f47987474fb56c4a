// Soft and hard time limits: on each pool, from the task, the call, the configuration, the worker, and while it runs.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { type PoolName, poolNames } from '../../../src/config/worker-settings.ts';
import { Control } from '../../../src/control/control.ts';
import { Worker, type WorkerOptions } from '../../../src/worker/worker.ts';
import { patience } from '../../until.ts';
import { moduleOf } from '../bench.ts';
import { withSlowTasks } from './time-limits-app.ts';

const module = moduleOf('test/worker/pools/time-limits-app.ts');

/** For calls that are to end by themselves. */
const patiently = { timeLimit: 600 };

async function start(pool: PoolName, options: WorkerOptions, settings: object = {}) {
  const app = withSlowTasks(new App('limits', { broker: `memory://${crypto.randomUUID()}`, ...settings }));
  const worker = new Worker(app, { pool, module, concurrency: 2, name: 'celery@here', ...options });
  await worker.start();
  return { app, worker, control: new Control(app) };
}

describe.each(poolNames)('in the pool %s', (pool) => {
  let own: Awaited<ReturnType<typeof start>>;
  let other: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    own = await start(pool, {}, { taskTimeLimit: 0.35 });
    // Here no hard limit is near, which might come first on a machine that is busy.
    const far = { taskTimeLimit: 600, taskSoftTimeLimit: 300 };
    other = await start(pool, { softTimeLimit: 0.15, concurrency: 1 }, far);
  });
  afterAll(async () => {
    for (const { app, worker } of [own, other]) {
      await worker.stop({ cold: true });
      await app.close();
    }
  });

  const hard = async (name: string, options: object = {}): Promise<string> =>
    own.app
      .send(name, [], options)
      .then((result) => result.get(patience))
      .then(
        String,
        (error: { remoteType?: string; remoteMessage?: string }) =>
          `${error.remoteType}: ${error.remoteMessage}`,
      );
  const soft = async (name: string, options: object = {}): Promise<unknown> =>
    (await other.app.send(name, [], options)).get(patience);

  it('a hard limit is the call’s, else the task’s, else the configuration’s, and can be changed while it runs', async () => {
    expect(await hard('slow.hard', { timeLimit: 0.1 })).toMatch(/^TimeLimitExceeded: .*0\.1\b/);
    expect(await hard('slow.hard')).toMatch(/^TimeLimitExceeded: .*0\.2\b/);
    expect(await hard('slow.any')).toMatch(/^TimeLimitExceeded: .*0\.35\b/);
    await own.control.timeLimit('slow.any', { hard: 0.25 }, { destination: ['celery@here'], ...patience });
    expect(await hard('slow.any')).toMatch(/^TimeLimitExceeded: .*0\.25\b/);
    expect(await hard('quick', patiently)).toBe('quick');
  });

  it('a soft limit is the call’s, else the task’s, else the worker’s, and can be changed while it runs', async () => {
    expect(await soft('slow.soft', { softTimeLimit: 0.1 })).toBe('SoftTimeLimitExceeded 0.1');
    expect(await soft('slow.soft')).toBe('SoftTimeLimitExceeded 0.2');
    expect(await soft('slow.plain')).toBe('SoftTimeLimitExceeded 0.15');
    await other.control.timeLimit(
      'slow.plain',
      { soft: 0.12 },
      { destination: ['celery@here'], ...patience },
    );
    expect(await soft('slow.plain')).toBe('SoftTimeLimitExceeded 0.12');
  });

  it.for([
    'slow.busy',
    'slow.native',
  ])('%s is ended by its hard limit, its neighbour is unharmed, and another child is in its place', async (name, {
    skip,
  }) => {
    if (pool !== 'threads' && pool !== 'processes')
      skip('nothing ends a loop in the event loop of the worker itself');
    const neighbour = own.app.send('slow.soft', [], patiently).then((result) => result.get(patience));
    expect(await hard(name)).toMatch(/^TimeLimitExceeded/);
    expect(await neighbour).toBe('SoftTimeLimitExceeded 0.2');
    // Both places are there again, also while a native call goes on in a thread that is to end.
    const both = await Promise.all([hard('quick', patiently), hard('quick', patiently)]);
    expect(both).toEqual(['quick', 'quick']);
  });
});
