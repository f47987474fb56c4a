// When a message is acknowledged, and what becomes of it when it is not: the same on every broker.

import { expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { patience, until } from '../until.ts';
import { withTasks } from './acks-app.ts';
import { deadLetter, moduleOf, sizeOf } from './bench.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';

const empty = async (app: App): Promise<boolean> => (await sizeOf(app)).every((count) => count === 0);

export const acksCases: Cases = (_, newUrls) => {
  it('with acksOnFailure: false what fails goes to the dead letters, and can be replayed', async () => {
    const app = withTasks(appOn(await newUrls()));
    await workerOf(app);
    const result = await app.send('fails.first', ['a']);
    await expect(result.get(patience)).rejects.toMatchObject({ remoteMessage: 'the first time' });
    const letter = await deadLetter(app);
    expect(letter).toMatchObject({ reason: 'failed', detail: 'RangeError: the first time' });
    await until(() => empty(app));
    expect(await (await app.broker()).deadLetters.replay(letter.id)).toBe(true);
    await until(async () => (await result.status()) === 'SUCCESS');
    expect(await result.get(patience)).toBe('the second time');
  });

  it('with acksOnTimeout: false what exceeds its limit runs again, and fails in the end', async () => {
    const app = withTasks(appOn(await newUrls(), { workerMaxDeliveries: 2 }));
    await workerOf(app);
    const [once, always] = [await app.send('slow.first', ['a']), await app.send('slow.always')];
    expect(await once.get(patience)).toBe('the second time');
    await expect(always.get(patience)).rejects.toMatchObject({ remoteType: 'TimeLimitExceeded' });
    expect(await deadLetter(app)).toMatchObject({
      reason: 'failed',
      detail: 'it exceeded its time limit of 0.1 s each of the 2 times that it was run',
    });
    await until(() => empty(app));
  });

  it('with rejectOnWorkerLost: false what its process dies of has failed, and does not run again', async () => {
    const app = withTasks(appOn(await newUrls()));
    const module = moduleOf('test/worker/acks-app.ts');
    const { log } = await workerOf(app, { pool: 'threads', module, concurrency: 1 });
    const result = await app.send('dies');
    await expect(result.get(patience)).rejects.toMatchObject({ remoteType: 'WorkerLostError' });
    await until(() => empty(app));
    expect(log.texts('error')).toEqual([expect.stringContaining('it has failed')]);
    expect(await (await app.broker()).deadLetters.count()).toBe(0);
  });

  it('with acksLate: false it is gone before it runs, however it ends', async () => {
    const app = withTasks(appOn(await newUrls()));
    await workerOf(app);
    const result = await app.send('early');
    await expect(result.get(patience)).rejects.toMatchObject({
      remoteMessage: 'after the acknowledgement',
    });
    await until(() => empty(app));
    expect(await (await app.broker()).deadLetters.count()).toBe(0);
  });

  it('with acksLate: false what is rejected has failed, and nobody says that there is a dead letter', async () => {
    const app = withTasks(appOn(await newUrls()));
    const { log } = await workerOf(app);
    const result = await app.send('early.rejected');
    await expect(result.get(patience)).rejects.toMatchObject({ remoteType: 'Reject' });
    await until(() => log.texts('warn').length > 0);
    expect(log.texts('warn')).toEqual([
      expect.stringContaining('rejected: not for me; it has failed; its message is gone'),
    ]);
    expect(await (await app.broker()).deadLetters.count()).toBe(0);
  });
};
