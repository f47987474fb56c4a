import { expect, it, vi } from 'vitest';
import { newApp } from '../worker/bench.ts';
import { mustBeRefused, routesOf, samples, stranger } from './hostile.ts';

it('knows of each route what a stranger could send', async () => {
  expect(Object.keys(samples).sort()).toEqual([...routesOf(await newApp('memory'))].sort());
});

it('refuses by its name what is missing, or has a NUL, and tells no worker of it', async () => {
  const app = await newApp('sqlite');
  const { fanout } = await app.broker();
  const told = vi.spyOn(fanout, 'publish');
  expect(await stranger(app, { isMeant: mustBeRefused })).toEqual([]);
  const orders = told.mock.calls
    .filter(([{ name }]) => name.endsWith('.pidbox'))
    .map(([, , { body }]) => JSON.parse(Buffer.from(body).toString()).method);
  // What the recorder and the pages ask by themselves.
  const questions = ['active', 'active_queues', 'conf', 'enable_events', 'ping', 'registered', 'reserved'];
  const asked = new Set([...questions, 'heartbeat', 'reload_pauses', 'revoked', 'scheduled', 'stats']);
  expect(orders.filter((method: string) => !asked.has(method))).toEqual([]);
  const broker = await app.broker();
  expect(await broker.revocations.read()).toEqual([]);
  expect(await app.queues.paused()).toEqual([]);
});
