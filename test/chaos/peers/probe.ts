// The same kill loop for other systems: `npm run chaos -- --what peers` prints what is lost, what runs twice to its end, and whom a killer takes along.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../e2e/harness/built.ts';
import { seeded } from '../../e2e/harness/random.ts';
import { RedisServerProcess } from '../../servers/redis.ts';

export interface ProbeOptions {
  readonly kills: number;
  readonly tasks: number;
  readonly seed: number;
}

const folder = join(root, 'test', 'chaos', 'peers');
const python = '/usr/bin/python3';

/** Prints a line for each system that is there. */
export async function probePeers(options: ProbeOptions): Promise<void> {
  await probeBull(options);
  await probeCelery(options);
}

interface Job {
  readonly id: string;
}

/** What we use of BullMQ. */
interface BullQueue {
  addBulk(jobs: readonly { name: string; data: object }[]): Promise<readonly Job[]>;
  getFailed(): Promise<
    readonly { readonly id: string; readonly name: string; readonly failedReason: string }[]
  >;
  getJobCounts(...states: string[]): Promise<Record<string, number>>;
  close(): Promise<void>;
}

async function probeBull({ kills, tasks, seed }: ProbeOptions): Promise<void> {
  if (!existsSync(join(root, 'bench', 'node_modules', 'bullmq')))
    return console.log('BullMQ is not installed (npm ci in bench)');
  const { Queue } = createRequire(join(root, 'bench', 'main.mjs'))('bullmq') as {
    Queue: new (name: string, options: object) => BullQueue;
  }; // its own types are not installed here
  await using redis = await RedisServerProcess.start();
  const scratch = mkdtempSync(join(tmpdir(), 'umbel-probe-'));
  const ledger = join(scratch, 'ledger');
  const queue = new Queue('probe', { connection: { host: '127.0.0.1', port: redis.port } });
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [join(folder, 'worker.mjs'), String(redis.port), ledger], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    return child;
  };
  const atRest = async (): Promise<void> => {
    for (const late = Date.now() + 60_000; Date.now() < late; await sleep(500)) {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
      if (Object.values(counts).every((count) => count === 0)) return;
    }
  };
  try {
    await queue.addBulk(Array.from({ length: tasks }, () => ({ name: 'work', data: { ms: 20 } })));
    const worker = await killLoop(start, kills, seed);
    await atRest();
    const failed = await queue.getFailed();
    report('BullMQ', { kills, tasks, ...counted(ledger, tasks), 'innocent failures': failed.length });
    // One job that kills its process, among others that run for a while.
    const jobs = Array.from({ length: 40 }, (_, n) => ({
      name: n === 5 ? 'poison' : 'work',
      data: { ms: 300 },
    }));
    await queue.addBulk(jobs);
    let current = worker;
    for (const late = Date.now() + 60_000; Date.now() < late; await sleep(300)) {
      if (current.exitCode !== null || current.signalCode !== null) current = await start();
      const left = await queue.getJobCounts('waiting', 'active');
      if (Object.values(left).every((count) => count === 0)) break;
    }
    const hurt = (await queue.getFailed()).filter(({ name }) => name === 'work');
    report('BullMQ, one killer among 40', { 'innocent failures': hurt.length - failed.length });
    current.kill('SIGKILL');
  } finally {
    await queue.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function probeCelery({ kills, tasks, seed }: ProbeOptions): Promise<void> {
  if (spawnSync(python, ['-c', 'import celery, redis']).status !== 0)
    return console.log('Celery is not installed');
  await using redis = await RedisServerProcess.start();
  const scratch = mkdtempSync(join(tmpdir(), 'umbel-probe-'));
  const ledger = join(scratch, 'ledger');
  const env = { ...process.env, PROBE_URL: redis.url(), PROBE_LEDGER: ledger, PROBE_COUNT: String(tasks) };
  const start = async (): Promise<ChildProcess> => {
    const args = ['-m', 'celery', '-A', 'tasks', 'worker', '-c', '4', '--without-mingle', '--without-gossip'];
    const child = spawn(python, args, { cwd: folder, env, stdio: 'ignore', detached: true });
    await sleep(3000);
    return child;
  };
  try {
    spawnSync(python, ['tasks.py'], { cwd: folder, env });
    const worker = await killLoop(start, kills, seed);
    let ended = -1;
    // A minute after the last end nothing more is to be expected before the visibility timeout of an hour.
    for (let still = 0; still < 20 && ended < tasks; still++, await sleep(1000)) {
      const now = counted(ledger, tasks).ended;
      if (now !== ended) still = 0;
      ended = now;
    }
    const unacked = Number(redis.cli('HLEN', 'unacked'));
    const found = counted(ledger, tasks);
    report('Celery 5.2.6, as it is set up by default', {
      kills,
      tasks,
      ...found,
      'of them back after an hour': unacked,
    });
    if (worker.pid !== undefined) process.kill(-worker.pid, 'SIGKILL');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The worker that is left. */
async function killLoop(
  start: () => Promise<ChildProcess>,
  kills: number,
  seed: number,
): Promise<ChildProcess> {
  const random = seeded(seed);
  let worker = await start();
  for (let killed = 0; killed < kills; killed++) {
    await sleep(50 + random.below(200));
    // Python's is a group of processes, ours a single one.
    if (worker.spawnargs.includes('celery') && worker.pid !== undefined) process.kill(-worker.pid, 'SIGKILL');
    else worker.kill('SIGKILL');
    await once(worker, 'exit').catch(() => undefined);
    worker = await start();
  }
  return worker;
}

function counted(ledger: string, tasks: number): { ended: number; missing: number; 'ended twice': number } {
  const ends = new Map<string, number>();
  for (const line of existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n') : []) {
    const [what, id] = line.split(' ');
    if (what === 'end' && id !== undefined) ends.set(id, (ends.get(id) ?? 0) + 1);
  }
  return {
    ended: ends.size,
    missing: tasks - ends.size,
    'ended twice': [...ends.values()].filter((count) => count > 1).length,
  };
}

function report(what: string, found: object): void {
  console.log(`${what}: ${JSON.stringify(found)}`);
}
