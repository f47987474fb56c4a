import { describe, expect, it, onTestFinished } from 'vitest';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { needs } from '../needs.ts';
import { newApp } from '../worker/bench.ts';
import { answered } from './bench.ts';
import { quick, refused, stranger } from './hostile.ts';
import { hostileStores } from './hostile-stores.ts';

const atOnce = 25;
const embedded = { name: 'the embedded store', missing: undefined, open: () => newApp('sqlite') };

for (const { name, missing, open } of [embedded, ...hostileStores])
  needs(describe, missing)(`on ${name}`, () => {
    it('has no error of the server for any absurd value in any place of any route', async () => {
      expect(await stranger(await open(), { atOnce })).toEqual([]);
    }, 600_000);

    it('tells no worker of what must be refused', async () => {
      expect(await refused(await open(), { atOnce })).toEqual([]);
    }, 600_000);
  });

it('has none of them behind its own HTTP server', async () => {
  const app = await newApp('sqlite');
  const dashboard = new Dashboard(app, { ...quick, port: 0 });
  onTestFinished(() => dashboard.stop());
  await dashboard.start();
  const ask = (path: string, init?: RequestInit) => answered(fetch(dashboard.url + path, init));
  expect(await stranger(app, { atOnce, ask })).toEqual([]);
}, 600_000);
