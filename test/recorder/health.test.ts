// What probes and Prometheus see of a recorder.
import { expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { BrokerUnavailable, ConfigError } from '../../src/errors.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { openHistoryStore, registerStore } from '../../src/stores/registry.ts';
import { patience, until } from '../until.ts';
import { newApp, newFolder, newStore, startWorker } from '../worker/bench.ts';

async function probe({ healthPort }: Recorder, path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${healthPort}${path}`);
  return [response.status, await response.text()];
}

/** The value of a metric, by its name and labels. */
async function metric(recorder: Recorder, name: string): Promise<number | undefined> {
  const [, text] = await probe(recorder, '/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

it('a recorder shows what it read and wrote, and how large the history is', async () => {
  const app = await newApp('sqlite');
  const add = app.task('add', (a: number, b: number) => a + b);
  await using recorder = new Recorder(app, { health: { port: 0 } });
  await recorder.start();
  expect(await probe(recorder, '/readyz')).toEqual([200, 'ready\n']);
  await startWorker(app);
  await (await add.delay(1, 2)).get(patience);
  await until(async () => {
    await recorder.flush();
    return (await app.history.counts()).SUCCESS === 1;
  }, 'the task to be in the history');
  expect(await metric(recorder, 'umbel_recorder_events_read_total{source="stream"}')).toBeGreaterThan(0);
  expect(await metric(recorder, 'umbel_recorder_tasks_written_total')).toBeGreaterThan(0);
  expect(await metric(recorder, 'umbel_recorder_events_lost_total{reason="dropped"}')).toBe(0);
  expect(await metric(recorder, 'umbel_recorder_events_buffered')).toBe(0);
  expect(await metric(recorder, 'umbel_recorder_store_connected')).toBe(1);
  expect(await metric(recorder, 'umbel_recorder_lag_seconds')).toBeGreaterThanOrEqual(0);
  expect(await metric(recorder, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  await expect.poll(() => metric(recorder, 'umbel_recorder_history_tasks')).toBe(0); // of the start
  expect(await metric(recorder, 'umbel_recorder_history_gaps')).toBe(0);
  expect(await metric(recorder, 'umbel_recorder_stream_waiting')).toBe(0);
  const { healthPort } = recorder;
  await recorder.stop();
  await expect(fetch(`http://127.0.0.1:${healthPort}/livez`)).rejects.toThrow();
});

it('is not ready, and lags, while the history cannot be written', async () => {
  let isAway = false;
  const path = `${await newFolder()}/history.db`;
  registerStore({
    ...{ name: 'shaky', schemes: ['shaky'], embedded: false },
    async openHistoryStore() {
      const store = await openHistoryStore(`sqlite://${path}`);
      const merge = store.merge.bind(store);
      return Object.assign(store, {
        merge: async (...given: Parameters<typeof merge>) => {
          if (isAway) throw new BrokerUnavailable('it is away');
          await merge(...given);
        },
      });
    },
  });
  const app = new App('shop', { broker: await newStore('sqlite'), historyStore: 'shaky://here' });
  onTestFinished(() => app.close());
  const add = app.task('add', (a: number, b: number) => a + b);
  await using recorder = new Recorder(app, { health: { port: 0 } });
  await recorder.start();
  isAway = true;
  await add.delay(1, 2);
  await until(async () => (await probe(recorder, '/readyz'))[0] === 503, 'it not to be ready');
  expect((await probe(recorder, '/readyz'))[1]).toBe('not ready: the history cannot be written\n');
  expect((await probe(recorder, '/livez'))[0]).toBe(200);
  expect(await metric(recorder, 'umbel_recorder_store_connected')).toBe(0);
  const lag = (await metric(recorder, 'umbel_recorder_lag_seconds')) ?? 0;
  await until(async () => ((await metric(recorder, 'umbel_recorder_lag_seconds')) ?? 0) > lag + 0.5, 'a lag');
  isAway = false;
  await until(async () => (await probe(recorder, '/readyz'))[0] === 200, 'it to be ready');
});

it('a port that is taken is said at once', async () => {
  const app = await newApp('sqlite');
  await using first = new Recorder(app, { health: { port: 0 } });
  await first.start();
  const second = new Recorder(app, { health: { port: first.healthPort ?? 0 } });
  await expect(second.start()).rejects.toThrow(ConfigError);
  expect(second.healthPort).toBeNull();
  await second.stop();
});
