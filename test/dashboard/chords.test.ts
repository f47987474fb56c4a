import { describe, expect, it } from 'vitest';
import { chord } from '../../src/app/compose.ts';
import type { ChordView } from '../../src/dashboard/server/pages/chord-routes.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { type Ask, newDashboard } from './bench.ts';

const post = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** A chord of two tasks, of which the second is lost: nobody serves its queue. */
async function waiting() {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  const value = app.task('value', (x: number) => x);
  const list = app.task('list', (values: readonly unknown[]) => values);
  const ask = newDashboard(app);
  await until(async () => (await app.history.status()).recordedUntil !== null, 'the dashboard to listen');
  const result = await chord([value.s(1), value.s(2).set({ queue: 'lost' })], list.s()).delay();
  const id = result.parent?.id ?? '';
  await startWorker(app);
  await until(async () => (await app.chords.get(id))?.counted === 1, 'the first member');
  const path = `/api/v1/chords/${id}`;
  const view = async (): Promise<ChordView> =>
    ((await ask(path)).body as { readonly chord: ChordView }).chord;
  const [missing] = (await view()).members;
  return { app, ask, path, id, view, result, missing: missing?.id ?? '' };
}

async function audited(ask: Ask): Promise<readonly unknown[]> {
  return ((await ask('/api/v1/audit')).body as { entries: readonly unknown[] }).entries;
}

describe('a chord that waits', () => {
  it('shows its counter and the missing member first; a value for it sends the body', async () => {
    const { ask, path, id, view, result, missing } = await waiting();
    expect(await view()).toMatchObject({
      id,
      state: 'open',
      counted: 1,
      total: 2,
      bodyTask: 'list',
      members: [
        { index: 1, counted: false, state: 'PENDING', reason: expect.stringContaining('reported') },
        { index: 0, counted: true, state: 'SUCCESS' },
      ],
      more: false,
    });
    expect((await ask(`${path}/give`, post({ member: missing }))).status).toBe(422);
    expect((await ask(`${path}/give`, post({ member: 'nobody', value: 1 }))).status).toBe(409);
    expect((await ask('/api/v1/chords/nobody/fire', post({}))).status).toBe(409);
    const gave = await ask(`${path}/give?reason=it%20was%20lost`, post({ member: missing, value: null }));
    expect(gave.body).toMatchObject({ state: 'done' });
    expect(await result.get(patience)).toEqual([1, null]);
    expect(await audited(ask)).toContainEqual(
      expect.objectContaining({ action: 'chord.give', target: `${id} ${missing}`, reason: 'it was lost' }),
    );
    expect((await ask('/api/v1/chords/nobody')).body).toEqual({ chord: null, problem: null });
  });

  it('its lost member runs again with other arguments', async () => {
    const { app, ask, path, result, missing } = await waiting();
    await app.queues.purge('lost');
    await until(async () => (await app.history.get(missing))?.args != null, 'the history to know it');
    expect((await ask(`${path}/retry`, post({ member: missing, args: 5 }))).status).toBe(422);
    const again = { member: missing, args: [5], queue: 'celery' };
    expect((await ask(`${path}/retry`, post(again))).status).toBe(200);
    expect(await result.get(patience)).toEqual([1, 5]);
    expect((await ask(`${path}/retry`, post(again))).status).toBe(409);
  });

  it('its body is sent with a value in the place of what is missing', async () => {
    const { ask, path, result } = await waiting();
    expect((await ask(`${path}/fire`, post({ value: 0 }))).status).toBe(200);
    expect(await result.get(patience)).toEqual([1, 0]);
  });

  it('it is cancelled: its body fails', async () => {
    const { ask, path, result } = await waiting();
    expect((await ask(`${path}/cancel`, post({}))).body).toMatchObject({ state: 'done' });
    await expect(result.get(patience)).rejects.toThrow(/cancelled/i);
  });

  it('where no store counts chords, it says so', async () => {
    const app = await newApp('sqlite');
    Object.assign((await app.backend()) ?? {}, { chords: undefined });
    const ask = newDashboard(app);
    expect((await ask('/api/v1/chords/x')).body).toMatchObject({
      chord: null,
      problem: expect.stringContaining('counts no chords'),
    });
  });
});
