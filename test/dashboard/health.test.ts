import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Overview } from '../../src/dashboard/server/pages/overview.ts';
import { App } from '../../src/index.ts';
import { newApp, newHistory } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

const healthOf = async (app: App): Promise<Overview['stores']> =>
  ((await newDashboard(app)('/api/v1/overview')).body as Overview).stores;

test('the overview shows the size of the embedded store and the space that is left for it', async () => {
  const [broker, ...others] = await healthOf(await newApp('sqlite'));
  expect(others).toEqual([]); // results are in the same file
  expect(broker).toMatchObject({ role: 'broker', kind: 'sqlite', figures: { problem: null } });
  const figures = broker?.figures.value ?? [];
  expect(figures.map(({ name, unit }) => `${name} ${unit}`)).toEqual([
    'file bytes',
    'write-ahead log bytes',
    'free disk bytes',
  ]);
  expect(figures.every(({ value }) => value !== null && value >= 0)).toBe(true);
});

test('a broker that is away, and one that has no figures, are said in words', async () => {
  const away = new App('away', { broker: 'redis://127.0.0.1:1/0', historyStore: await newHistory() });
  const [broker] = await healthOf(away);
  expect(broker?.figures).toMatchObject({ value: null, problem: expect.stringMatching(/\w/) });
  await away.close();
  expect(await healthOf(await newApp('memory'))).toMatchObject([
    { kind: 'memory', figures: { value: [], problem: null } },
  ]);
});

test('a file that was deleted under a running dashboard is a danger', async () => {
  const app = await newApp('sqlite');
  await app.open();
  await rm(app.config.broker.replace('sqlite://', ''));
  const [broker] = await healthOf(app);
  const file = broker?.figures.value?.find(({ name }) => name === 'file');
  expect(file ?? { level: 'danger', note: broker?.figures.problem }).toMatchObject({ level: 'danger' });
});
