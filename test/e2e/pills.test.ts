// Twelve tasks that do harm, each in every pool where it makes sense, all at once and among innocent ones: in the long run. Default run: two
// that kill their worker, in the event loop, buried after three deaths.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { App } from '../../src/index.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { FileView, onRedis, type Place, type View } from './harness/places.ts';
import { Program } from './harness/program.ts';
import { lookInto } from './harness/store.ts';
import { figures, Trial, trialMs } from './harness/trial.ts';

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
  'changed-globals': buried,
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
  'changed-globals': buried,
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
const killers: Fates = { exit: buried, 'self-kill': buried };

/** Seconds: a worker whose pool is blocked is soon found out. */
const lease = 2;

describe('tasks that do harm', { timeout: trialMs }, () => {
  it('in the event loop fail no other when two of them kill the worker again and again', async () => {
    await poisoned({ pool: 'async', fates: killers, maxDeliveries: 3 });
  });

  needs(it, inLongRun)('in a pool of processes hurt no other', async () => {
    await poisoned({ pool: 'processes', fates: inProcesses, lease });
  });

  needs(it, inLongRun)('in a pool of threads fail no other', async () => {
    await poisoned({ pool: 'threads', fates: inThreads, lease });
  });

  needs(it, inLongRun)(
    'in the event loop fail no other, also when they take the worker with them',
    async () => {
      await poisoned({ pool: 'async', fates: inTheLoop, lease });
    },
  );

  needs(it, inLongRun ?? noRedis)(
    'on Redis in the event loop fail no other, also when they take the worker with them',
    async () => {
      await using server = await RedisServerProcess.shared();
      await poisoned({ pool: 'async', fates: inTheLoop, place: onRedis(server), lease });
    },
  );
});

interface Setting {
  readonly pool: 'async' | 'threads' | 'processes';
  readonly fates: Fates;
  /** So many deaths bury a task; the worker's own default when left out. */
  readonly maxDeliveries?: number;
  /** Seconds; the worker's own default when left out. */
  readonly lease?: number;
  readonly place?: Place;
}

/** All pills at once, among innocent tasks; workers are replaced as they die. */
async function poisoned({ pool, fates, maxDeliveries, lease, place }: Setting): Promise<void> {
  const where = { ...(place !== undefined && { place }), ...(lease !== undefined && { lease }) };
  await using trial = new Trial({ slots: 4, ...where });
  const url = place?.broker ?? `sqlite://${trial.store}`;
  await using app = new App('sender', { broker: url, backend: url });
  const innocent: string[] = [];
  const harmless = async (): Promise<void> => {
    for (let n = 0; n < 3; n++) {
      const id = `innocent-${innocent.length}`;
      innocent.push(id);
      await app.send('innocent', [100], { taskId: id });
    }
  };
  for (const pill of Object.keys(fates)) {
    await harmless();
    await app.send(pill, [], { taskId: pill, ...(/loop|globals/.test(pill) ? { timeLimit: 2 } : {}) });
  }
  await harmless();

  await using view: View = (await place?.look()) ?? new FileView(await lookInto(trial.store));
  let deaths = 0;
  let worker: Program | null = null;
  const environment = {
    ...trial.environment,
    NODE_OPTIONS: '--max-old-space-size=96', // so that it is used up soon
    ...(maxDeliveries !== undefined && { PILLS_MAX_DELIVERIES: String(maxDeliveries) }),
  };
  // Deaths, limits and leases take their time: who waits for ever is ended by the test's own limit.
  while ((await view.messages()) > 0) {
    if (worker === null || !isRunning(worker)) {
      if (worker !== null) deaths++;
      worker = trial.adopt(new Program('pills.ts', environment, ['worker', pool]));
    }
    await Promise.race([worker.exited, sleep(200)]);
  }
  const { results } = await view.facts();
  const reasons = new Map<string, string>();
  for await (const { call, reason } of app.deadLetters.list()) reasons.set(call?.id ?? 'no call', reason);
  const fate = (id: string): string => reasons.get(id) ?? results.get(id)?.status ?? 'nothing';
  const found = Object.fromEntries(Object.keys(fates).map((pill) => [pill, fate(pill)]));
  const hurt = innocent.filter((id) => fate(id) !== 'SUCCESS').map((id) => `${id}: ${fate(id)}`);
  figures(
    `${pool}${place === undefined ? '' : `, ${place.name}`}: ${Object.keys(fates).length} pills, ${innocent.length} innocent tasks, of them failed ${hurt.length}; ${deaths} workers died`,
  );
  expect(found, worker?.errors).toEqual(fates);
  expect(hurt).toEqual([]);
  expect(await view.messages()).toBe(0);
  if (worker?.isAlive === true) {
    worker.signal('SIGTERM');
    endGrandchildren(trial);
    expect(await worker.exited).toMatchObject({ code: 0 });
  }
}

/** They hold the outputs of their worker open, and would live on for a minute. */
function endGrandchildren({ environment }: Trial): void {
  const file = join(environment.PROOF_LEDGERS ?? '', 'grandchildren');
  if (!existsSync(file)) return;
  for (const pid of readFileSync(file, 'utf8').trim().split('\n').map(Number)) {
    try {
      process.kill(pid);
    } catch {
      // it has ended
    }
  }
}

/** Its outputs may be open for longer than it lives: what it started has them, too. */
function isRunning({ pid }: Program): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
