// Workers are killed (-9) while they run chords in chains: each part runs, each callback runs, and none is sent twice. 10 chords and at most
// 2 kills, on one store and on two; long run: 1,000 chords and kills until they have ended, on all stores.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App, type AsyncResult, chain, chord } from '../../src/index.ts';
import { type Entry, readLedgers } from '../e2e/harness/ledger.ts';
import { Program } from '../e2e/harness/program.ts';
import { seeded } from '../e2e/harness/random.ts';
import { figures, trialMs } from '../e2e/harness/trial.ts';
import { needs } from '../needs.ts';
import { isLong, scaled, seed } from '../run/scale.ts';
import { until } from '../until.ts';
import { type Place, storeKinds, type Urls } from './stores.ts';

const chords = scaled(10, 1000);
const members = 5;
/** A task that is in a worker's hands at two of its deaths is not buried. */
const maxKills = scaled(2, Number.POSITIVE_INFINITY);
/** Milliseconds. So few last until workers have died. */
const taskMs = scaled(30, 2);
/** Seconds. Long enough to be kept on a busy machine. */
const lease = scaled(6, 2);
/** Many take long where others compute, too. */
const endSeconds = 120 + chords / 2;

const left = isLong ? ['memory'] : ['memory', 'redis', 'redis, results in postgresql'];
for (const kind of storeKinds.filter(({ name }) => !left.includes(name))) {
  needs(describe, kind.missing)(`kill -9 of workers that run workflows on ${kind.name}`, () => {
    let place: Place;
    let folder: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'umbel-kill-'));
      mkdirSync(join(folder, 'ledgers'));
      place = await kind.start();
    });
    afterAll(async () => {
      await place?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    const title = `each of ${chords} chords ends once, and so does what is linked to it; nothing is left of them`;
    it(title, { timeout: trialMs }, async () => {
      const urls = await place.next();
      await using app = new App('sender', urls);
      await using crew = await Crew.start(urls, join(folder, 'ledgers'));
      const sum = app.remote<(...given: unknown[]) => number>('flow.sum');
      const fail = app.remote<() => number>('flow.fail');
      const results: AsyncResult<number>[] = [];
      const failing: AsyncResult<number>[] = [];
      const links: string[] = [];
      const fatigue = crew.keepKilling();
      for (let n = 0; n < chords; n++) {
        const [link, errback] = [`link-${n}`, `errback-${n}`];
        const parts = Array.from({ length: members }, (_, index) => sum.s(index));
        if (n % 5 === 4) {
          const broken = chord([...parts, fail.s()], sum.s().link(sum.s().set({ taskId: link })));
          failing.push(await broken.linkError(sum.s().set({ taskId: errback })).delay());
          links.push(errback);
        } else {
          const body = sum.s().link(sum.s().set({ taskId: link }));
          results.push(await chain(sum.s(n), chord(parts, body), sum.s(1)).delay());
          links.push(link);
        }
      }
      for (const result of results)
        expect(await result.get({ timeout: endSeconds })).toEqual(expect.any(Number));
      for (const result of failing)
        await expect(result.get({ timeout: endSeconds })).rejects.toMatchObject({ name: 'ChordError' });
      for (const link of links) expect(await app.result(link).get({ timeout: endSeconds })).toBeDefined();
      const deaths = await fatigue();
      await atRest(app);
      await crew.stop();

      const verdict = judge(readLedgers(join(folder, 'ledgers')), deaths);
      figures(`${kind.name}: ${verdict.tasks} tasks, ${verdict.repeated} run again, ${deaths.size} kills`);
      expect(deaths.size).toBeGreaterThan(0);
      expect(verdict.tasks).toBe(results.length * (members + 4) + failing.length * (members + 2));
      // On two stores a message may be there twice after a fault; on one it never is.
      if (urls.broker === urls.backend) expect(verdict.unexcused).toEqual([]);
      else expect(verdict.unexcused.length).toBeLessThanOrEqual(deaths.size * 8);
      expect(await place.openChords()).toEqual([]);
    });
  });
}

/** Two workers, killed and replaced. */
class Crew implements AsyncDisposable {
  readonly #start: () => Promise<Program>;
  #workers: Program[] = [];

  private constructor(start: () => Promise<Program>) {
    this.#start = start;
  }

  static async start({ broker, backend }: Urls, ledgers: string): Promise<Crew> {
    const crew = new Crew(async () => {
      const program = new Program('test/workflows/programs/worker.ts', {
        WORKFLOW_BROKER: broker,
        WORKFLOW_BACKEND: backend,
        WORKFLOW_LEDGERS: ledgers,
        WORKFLOW_LEASE: String(lease),
        WORKFLOW_TASK_MS: String(taskMs),
      });
      await program.line('ready');
      return program;
    });
    crew.#workers = await Promise.all([crew.#start(), crew.#start()]);
    return crew;
  }

  /** Until the function returned is called, which resolves with when each of them was dead. One is killed in any case. */
  keepKilling(): () => Promise<ReadonlyMap<number, number>> {
    const random = seeded(seed);
    const deaths = new Map<number, number>();
    let over = false;
    const work = (async () => {
      for (let turn = 0; deaths.size === 0 || (!over && deaths.size < maxKills); turn++) {
        await sleep(100 + random.below(400)); // some moment
        const [victim] = this.#workers.splice(turn % 2, 1);
        if (victim === undefined) continue;
        victim.signal('SIGKILL');
        await victim.exited;
        deaths.set(victim.pid, Date.now());
        this.#workers.push(await this.#start());
      }
    })();
    return async () => {
      over = true;
      await work;
      return deaths;
    };
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) worker.signal('SIGTERM');
    await Promise.all(this.#workers.map((worker) => worker.exited));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker[Symbol.asyncDispose]();
  }
}

async function atRest(app: App): Promise<void> {
  const broker = await app.broker();
  await until(async () => {
    const { ready, scheduled, claimed } = await broker.size(app.config.taskDefaultQueue);
    return ready + scheduled + claimed === 0;
  }, 'no message is left');
}

/** `unexcused`: runs that began although the one before had not died with its worker. */
function judge(
  ledger: readonly Entry[],
  deaths: ReadonlyMap<number, number>,
): { readonly tasks: number; readonly repeated: number; readonly unexcused: readonly string[] } {
  const runs = new Map<string, { readonly pid: number; readonly at: number }[]>();
  for (const entry of ledger) {
    if (entry.kind !== 'start') continue;
    runs.set(entry.id, [...(runs.get(entry.id) ?? []), { pid: entry.pid, at: entry.at }]);
  }
  const unexcused: string[] = [];
  let repeated = 0;
  for (const [id, all] of runs) {
    repeated += all.length - 1;
    for (const [n, { at }] of all.slice(1).entries()) {
      const before = all[n];
      const death = before === undefined ? undefined : deaths.get(before.pid);
      // The clock of the judge runs after the death.
      if (death === undefined || at < death - 100) unexcused.push(id);
    }
  }
  return { tasks: runs.size, repeated, unexcused };
}
