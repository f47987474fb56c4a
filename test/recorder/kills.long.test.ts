// Recorders and workers that are killed: each task is in the history once, with its end.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Recorder } from '../../src/recorder/recorder.ts';
import { patience, patienceMs, until } from '../until.ts';
import { newFolder } from '../worker/bench.ts';
import { appOn, onEachBroker } from '../worker/everywhere.ts';
import { kill, start } from './kill-bench.ts';

const kills = 20;
const perKill = 25;

onEachBroker(['sqlite', 'redis', 'rabbitmq'], (broker, newUrls) => {
  for (const role of ['recorder', 'worker'] as const) {
    // On RabbitMQ the entry of an end is written after its settlement: a worker that is killed in between leaves it out.
    if (role === 'worker' && broker === 'rabbitmq') continue;
    it(`after ${kills} kills of the ${role} each task is in the history once, with its end`, {
      timeout: patienceMs + kills * 20_000,
    }, async () => {
      const urls = await newUrls();
      const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
      let recorder = await start('recorder', urls, historyStore);
      let worker = await start('worker', urls, historyStore);
      const app = appOn(urls, { historyStore });
      const work = app.task('shop.work', async (_: number): Promise<number> => 0);
      const sent: Awaited<ReturnType<typeof work.delay>>[] = [];
      for (let round = 0; round < kills; round++) {
        for (let n = 0; n < perKill; n++) sent.push(await work.delay(round * perKill + n));
        await sleep((round * 37) % 240); // at another point of its work each time
        if (role === 'recorder') {
          await kill(recorder);
          recorder = await start('recorder', urls, historyStore);
        } else {
          await kill(worker);
          worker = await start('worker', urls, historyStore);
        }
      }
      for (const result of sent) await result.get(patience);
      await kill(recorder);
      const last = new Recorder(app);
      await last.start();
      await until(
        async () => {
          await last.flush();
          return ((await app.history.counts()).SUCCESS ?? 0) >= sent.length;
        },
        () => `${sent.length} tasks to be in the history`,
      );
      await last.stop();
      expect(await app.history.counts()).toEqual({ SUCCESS: sent.length });
      for (const { id } of sent) {
        const task = await app.history.get(id);
        expect(task).toMatchObject({ name: 'shop.work', sentAt: expect.any(Number) });
        const ends = task?.attempts.filter(({ state }) => state === 'SUCCESS');
        expect(ends).toHaveLength(1);
        if (role === 'recorder') expect(task?.attempts).toHaveLength(1);
      }
      expect((await app.history.status()).gaps).toEqual([]);
    });
  }
});
