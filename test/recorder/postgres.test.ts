// Two recorders of one history in PostgreSQL that are killed in turn: each task is there once, with its end.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Recorder } from '../../src/recorder/recorder.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong, scaled } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { patience, patienceMs, until } from '../until.ts';
import { appOn, onEachBroker } from '../worker/everywhere.ts';
import { kill, start } from './kill-bench.ts';

const kills = scaled(2, 30);
const perKill = 25;

needs(describe, noPostgres ?? inLongRun)('a history in PostgreSQL', () => {
  onEachBroker(isLong ? ['redis', 'rabbitmq'] : ['redis'], (_, newUrls) => {
    it(`after ${kills} kills of its two recorders in turn has each task once, with its end`, {
      timeout: patienceMs + kills * 20_000,
    }, async () => {
      const server = await PostgresServerProcess.shared();
      onTestFinished(() => server[Symbol.asyncDispose]());
      const urls = await newUrls();
      const historyStore = server.url('?schema=killed');
      let recorders = await Promise.all([
        start('recorder', urls, historyStore),
        start('recorder', urls, historyStore),
      ]);
      await start('worker', urls, historyStore);
      const app = appOn(urls, { historyStore });
      const work = app.task('shop.work', async (_: number): Promise<number> => 0);
      const sent: Awaited<ReturnType<typeof work.delay>>[] = [];
      for (let round = 0; round < kills; round++) {
        for (let n = 0; n < perKill; n++) sent.push(await work.delay(round * perKill + n));
        await sleep((round * 37) % 240); // at another point of its work each time
        const [victim, other] = recorders;
        await kill(victim);
        recorders = [other, await start('recorder', urls, historyStore)];
      }
      for (const result of sent) await result.get(patience);
      for (const each of recorders) await kill(each);
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
        expect(task?.attempts.map(({ state }) => state)).toEqual(['SUCCESS']);
      }
      expect((await app.history.status()).gaps).toEqual([]);
    });
  });
});
