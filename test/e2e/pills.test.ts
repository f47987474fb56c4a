// Twelve tasks that do harm, each in every pool where it makes sense, all at once and among innocent ones.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/index.ts';
import { ensureBuilt } from './harness/built.ts';
import { Program } from './harness/program.ts';
import { idOf, lookInto } from './harness/store.ts';
import { Trial } from './harness/trial.ts';

/** What must become of each: the reason of its dead letter, or the state of its result. */
type Fates = Readonly<Record<string, string>>;

const buried = 'max-deliveries';
const harmless: Fates = {
  'rejection-after-return': 'SUCCESS',
  'throws-no-error': 'FAILURE',
  'output-flood': 'SUCCESS',
};
const inProcesses: Fates = {
  ...harmless,
  exit: buried,
  'self-kill': buried,
  segfault: buried,
  'out-of-memory': buried,
  'busy-loop': 'FAILURE',
  'blocked-loop': 'FAILURE',
  'killed-parent': buried,
  grandchildren: 'SUCCESS',
};
const inThreads: Fates = {
  ...harmless,
  exit: buried,
  'self-kill': buried,
  segfault: buried,
  'out-of-memory': buried,
  'busy-loop': 'FAILURE',
  'blocked-loop': 'FAILURE',
  grandchildren: 'SUCCESS',
};
/** There nothing can end a loop of user code, and what changes globals changes the worker's. */
const inTheLoop: Fates = {
  ...harmless,
  exit: buried,
  'self-kill': buried,
  segfault: buried,
  'out-of-memory': buried,
  grandchildren: 'SUCCESS',
};
const isLong = process.env.FAULTS_LONG !== undefined;

beforeAll(ensureBuilt, 90_000);

describe('tasks that do harm', () => {
  it.skipIf(!isLong)(
    'in a pool of processes hurt no other',
    async () => {
      await poisoned('processes', inProcesses);
    },
    480_000,
  );

  it.skipIf(!isLong)(
    'in a pool of threads fail no other',
    async () => {
      await poisoned('threads', inThreads);
    },
    480_000,
  );

  it.skipIf(!isLong)(
    'in the event loop fail no other, also when they take the worker with them',
    async () => {
      await poisoned('async', inTheLoop);
    },
    480_000,
  );
});

async function poisoned(pool: string, fates: Fates): Promise<void> {
  await using trial = new Trial({ slots: 4 });
  const url = `sqlite://${trial.store}`;
  await using app = new App('sender', { broker: url, backend: url });
  const innocent: string[] = [];
  const harm = async (): Promise<void> => {
    for (let n = 0; n < 3; n++) {
      const id = `innocent-${innocent.length}`;
      innocent.push(id);
      await app.send('innocent', [100], { taskId: id });
    }
  };
  for (const pill of Object.keys(fates)) {
    await harm();
    await app.send(pill, [], { taskId: pill, ...(/loop/.test(pill) ? { timeLimit: 2 } : {}) });
  }
  await harm();

  using file = await lookInto(trial.store);
  let deaths = 0;
  let worker: Program | null = null;
  const late = Date.now() + 420_000;
  while (file.messages() > 0 && Date.now() < late) {
    if (worker === null || !worker.isAlive) {
      if (worker !== null) deaths++;
      // Little memory, so that it is used up soon.
      const environment = { ...trial.environment, NODE_OPTIONS: '--max-old-space-size=96' };
      worker = trial.adopt(new Program('pills.ts', environment, ['worker', pool]));
    }
    await Promise.race([worker.exited, sleep(200)]);
  }
  const results = file.results();
  const reasons = new Map(file.dead().map(({ raw, reason }) => [idOf(raw), reason]));
  const found = Object.fromEntries(
    Object.keys(fates).map((pill) => [pill, reasons.get(pill) ?? results.get(pill)?.status ?? 'nothing']),
  );
  const hurt = innocent.flatMap((id) => {
    const status = reasons.get(id) ?? results.get(id)?.status ?? 'nothing';
    return status === 'SUCCESS' ? [] : [`${id}: ${status}`];
  });
  process.stdout.write(
    `\n${pool}: ${Object.keys(fates).length} pills, ${innocent.length} innocent tasks, of them failed ${hurt.length}; ${deaths} workers died\n`,
  );
  expect(found, worker?.errors).toEqual(fates);
  expect(hurt).toEqual([]);
  expect(file.messages()).toBe(0);
  if (worker?.isAlive === true) {
    worker.signal('SIGTERM');
    expect(await worker.exited).toMatchObject({ code: 0 });
  }
}
