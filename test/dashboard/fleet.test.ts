import { describe, expect, it } from 'vitest';
import type { Answers } from '../../src/control/mailbox.ts';
import { Fleet } from '../../src/dashboard/server/pages/fleet.ts';
import { Known } from '../../src/dashboard/server/pages/known.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { type Deferred, deferred } from '../../src/lib/deferred.ts';
import { until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

/** Requests that wait until the test answers them. */
function asked<Value>(): { readonly requests: Deferred<Value>[]; readonly ask: () => Promise<Value> } {
  const requests: Deferred<Value>[] = [];
  const ask = (): Promise<Value> => {
    const request = deferred<Value>();
    requests.push(request);
    return request.promise;
  };
  return { requests, ask };
}

describe('what is known of workers', () => {
  it('is shown without waiting, and all pages share one request', async () => {
    const { requests, ask } = asked<Answers>();
    const fleet = new Fleet({ ask });
    expect(fleet.stats()).toMatchObject({ value: null, asking: true, problem: null, at: null });
    fleet.stats();
    expect(requests).toHaveLength(1);
    requests[0]?.reject(new BrokerUnavailable('the broker is away'));
    await until(() => fleet.stats().problem !== null, 'the failure');
    // The next look asks again, and says meanwhile why nothing is known.
    expect(fleet.stats()).toMatchObject({ value: null, asking: false, problem: 'the broker is away' });
    expect(requests).toHaveLength(2);
    requests[1]?.resolve({ replies: new Map([['w1@host', { pid: 7 }]]), silent: ['w2@host'] });
    await until(() => fleet.stats().value !== null, 'the reply');
    expect(fleet.stats()).toMatchObject({
      value: new Map([['w1@host', { pid: 7 }]]),
      silent: ['w2@host'],
      asking: false,
      problem: null,
      at: expect.any(Number),
    });
    expect(requests).toHaveLength(2);
  });

  it('is asked again when it is old, and not shown when it is too old', async () => {
    const { requests, ask } = asked<number>();
    const known = new Known(ask);
    known.look();
    requests[0]?.resolve(1);
    await until(() => known.look().value === 1, 'the answer');
    const at = known.look().at ?? 0;
    expect(known.look({ now: at + 4_999 })).toMatchObject({ value: 1 });
    expect(requests).toHaveLength(1);
    expect(known.look({ now: at + 5_000 })).toEqual({ value: 1, at, asking: false, problem: null });
    expect(requests).toHaveLength(2);
    expect(known.look({ now: at + 30_001 })).toEqual({ value: null, at: null, asking: true, problem: null });
    expect(known.look({ now: at + 30_001, stale: 60_000 })).toMatchObject({ value: 1 });
    expect(requests).toHaveLength(2);
  });

  it('after an action an answer from before it does not count', async () => {
    const { requests, ask } = asked<number>();
    const known = new Known(ask);
    known.look();
    requests[0]?.resolve(1);
    await until(() => known.look().value === 1, 'the answer');
    known.look({ now: Date.now() + 6_000 });
    known.forget();
    expect(known.look()).toMatchObject({ value: 1, asking: true });
    expect(requests).toHaveLength(3);
    requests[1]?.resolve(2);
    await requests[1]?.promise;
    expect(known.look()).toMatchObject({ value: 1, asking: true });
    requests[2]?.resolve(3);
    await until(() => !known.look().asking, 'the new answer');
    expect(known.look()).toMatchObject({ value: 3 });
    expect(requests).toHaveLength(3);
  });
});

it('each page answers while the workers are asked and none has replied', async () => {
  const app = await newApp('sqlite');
  app.task('shop.add', (a: number, b: number) => a + b);
  await startWorker(app);
  const { fanout } = await app.broker();
  const release = deferred<void>();
  const publish = fanout.publish.bind(fanout);
  const asking: unknown[] = [];
  Object.assign(fanout, {
    publish: async (...message: Parameters<typeof publish>) => {
      asking.push(message);
      await release.promise;
      await publish(...message);
    },
  });
  const ask = newDashboard(app);
  const pages = [
    '/api/v1/overview',
    '/api/v1/workers',
    '/api/v1/workers/celery@here',
    '/api/v1/queues',
    '/api/v1/queues/celery/held',
    '/api/v1/limits',
    '/api/v1/doctor',
    '/api/v1/doctor/tasks',
    '/metrics',
  ];
  for (const page of pages) expect((await ask(page)).status, page).toBe(200);
  expect(asking.length).toBeGreaterThan(0);
  for (const page of ['/api/v1/queues/celery/held', '/api/v1/limits', '/api/v1/doctor/tasks'])
    expect((await ask(page)).body, page).toMatchObject({ told: { asking: true, at: null } });
  expect((await ask('/api/v1/workers/celery@here')).body).toMatchObject({ asking: true, at: null });
  expect((await ask('/api/v1/doctor')).body).toMatchObject({ examining: true, findings: null });
  expect((await ask('/metrics')).text).not.toContain('celery_active_worker_count{');
  release.resolve();
  await until(
    async () => (await ask('/metrics')).text.includes('celery_active_worker_count{queue_name="celery"} 1'),
    'the reply in the metrics',
  );
  for (const page of ['/api/v1/queues/celery/held', '/api/v1/limits', '/api/v1/doctor/tasks'])
    await until(async () => {
      const { told } = (await ask(page)).body as { told: { asking: boolean; at: number | null } };
      return !told.asking && told.at !== null;
    }, page);
  await until(
    async () => ((await ask('/api/v1/workers/celery@here')).body as { at: number | null }).at !== null,
    'the page of the worker',
  );
  await until(
    async () => ((await ask('/api/v1/doctor')).body as { findings: unknown }).findings !== null,
    'the findings of the doctor',
  );
});
