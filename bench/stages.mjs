// What is measured where: the stages of a run, their systems, and the aims.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noCelery, noPlainjob } from './children.mjs';
import { noRabbit, noRedis, startRabbit, startRedis } from './servers.mjs';
import { bytesPerWaiting, drain, due, endToEnd, idle, quantile, sends, startToFirstTask } from './takes.mjs';

/** The rows of all tables. `better`: which way; `part`: how it is written. */
const row = {
  one: { title: 'enqueue, awaited one by one', unit: '/s', take: sends('one', { most: 2_000 }) },
  flight: { title: 'enqueue, awaited, 100 in flight', unit: '/s', take: sends('flight', { at: 0.5 }) },
  bulk: { title: 'enqueue in bulk (1,000 at a time)', unit: '/s', take: sends('bulk') },
  drain: { title: 'drain no-op tasks, one worker process', unit: '/s', take: drain('rate') },
  cpu: {
    title: '  CPU-seconds of the worker per 1,000 tasks',
    better: 'low',
    digits: 3,
    take: drain('cpuPer1000'),
  },
  serverCpu: {
    title: '  CPU-seconds of the server per 1,000 tasks',
    better: 'low',
    digits: 3,
    take: drain('serverCpuPer1000'),
  },
  memory: { title: '  memory of the worker, at most', better: 'low', unit: ' MB', take: drain('rssMb') },
  endToEnd: { title: 'end to end, producer and worker process', unit: '/s', take: endToEnd },
  startup: {
    title: 'start of a worker process to its first task',
    better: 'low',
    unit: ' ms',
    take: startToFirstTask,
  },
  start50: idleRow('idle, call to start: median', 'starts', 0.5),
  start99: idleRow('idle, call to start: 99 of 100', 'starts', 0.99),
  result50: idleRow('idle, call to result: median', 'roundTrips', 0.5),
  result99: idleRow('idle, call to result: 99 of 100', 'roundTrips', 0.99),
  late50: dueRow('tasks due within 3 s, lateness: median', 'ms', ({ lateness }) => quantile(lateness, 0.5)),
  late99: dueRow('tasks due within 3 s, lateness: 99 of 100', 'ms', ({ lateness }) =>
    quantile(lateness, 0.99),
  ),
  growth: dueRow('  growth of the worker meanwhile', 'MB', ({ growthMb }) => growthMb),
  bytes: {
    title: 'memory of the server for a waiting task',
    better: 'low',
    unit: ' B',
    take: bytesPerWaiting,
  },
};

/** What the history of tasks costs a worker: its part of a drain. */
const history = { name: 'umbel-history', head: 'with history', only: ['drain', 'cpu'] };
const celery = { name: 'celery', head: 'Celery', share: 0.06, planned: 10_000, leadMs: 12_000 };
const peers = [
  { name: 'bullmq', head: 'BullMQ' },
  { name: 'bee-queue', head: 'bee-queue' },
  { name: 'celery-node', head: 'celery-node', plans: false },
];

export const stages = [
  {
    name: 'sqlite',
    title: 'Embedded store',
    note: 'Umbel and `plainjob, fsync` flush each commit to the disk; plainjob by its own default does not. plainjob keeps no results, and polls: each second by default, here each 10 ms.',
    missing: () => null,
    server: async () => ({}),
    systems: [
      { name: 'umbel', head: 'Umbel' },
      { name: 'plainjob', head: 'plainjob' },
      // It flushes for each call: fewer show its rate as well.
      { name: 'plainjob-fsync', head: 'plainjob, fsync', share: 0.1 },
      history,
    ],
    rows: pick('one flight bulk drain cpu memory endToEnd startup start50 start99 result50 result99'),
  },
  {
    name: 'redis',
    title: 'Redis, without persistence',
    missing: () => noRedis,
    server: () => startRedis(['--appendonly', 'no']),
    systems: [{ name: 'umbel', head: 'Umbel' }, ...peers, celery],
    rows: pick(
      'one flight bulk drain cpu serverCpu memory endToEnd startup start50 start99 result50 result99 late50 late99 growth bytes',
    ),
  },
  {
    name: 'redis-aof',
    title: 'Redis, appendonly, fsync each second',
    missing: () => noRedis,
    server: () => startRedis(['--appendonly', 'yes', '--appendfsync', 'everysec']),
    systems: [{ name: 'umbel', head: 'Umbel' }, ...peers, celery],
    rows: pick('flight bulk drain cpu serverCpu endToEnd'),
  },
  {
    name: 'rabbitmq',
    title: 'RabbitMQ, confirms and acks on, no results',
    missing: () => noRabbit,
    server: startRabbit,
    results: 'none',
    systems: [{ name: 'umbel', head: 'Umbel' }, { ...celery, share: 0.2 }, history],
    rows: pick('one flight bulk drain cpu memory endToEnd startup start50 start99'),
  },
  {
    name: 'pools',
    title: 'What pools, events and the history cost: Redis, without persistence',
    note: 'Concurrency: `async` 100, `solo` 1, `threads` and `processes` 2. Memory and CPU-seconds of `processes` are those of the worker without its children.',
    missing: () => noRedis,
    server: () => startRedis(['--appendonly', 'no']),
    systems: [
      { name: 'umbel', head: 'async' },
      { name: 'umbel-events', head: 'async, events' },
      { ...history, head: 'async, history' },
      { name: 'umbel-solo', head: 'solo', share: 0.2 },
      { name: 'umbel-threads', head: 'threads', share: 0.2 },
      { name: 'umbel-processes', head: 'processes', share: 0.2 },
    ],
    rows: pick('drain cpu memory startup result50 result99'),
  },
];

/** Aims, as ratios to a peer in the same run (`times`) or as numbers (`most`, `least`). */
export const aims = [
  aim('redis', 'drain', { times: 3, of: 'bullmq' }),
  aim('redis', 'drain', { times: 2, of: 'bee-queue' }),
  aim('redis', 'drain', { times: 45, of: 'celery' }),
  aim('redis', 'cpu', { times: 3, of: 'bullmq' }),
  aim('redis', 'flight', { times: 1.8, of: 'bullmq' }),
  aim('redis', 'bulk', { times: 4, of: 'bullmq' }),
  aim('redis', 'endToEnd', { times: 3, of: 'bullmq' }),
  aim('redis', 'start50', { most: 0.5 }),
  aim('redis', 'result50', { most: 0.8 }),
  aim('redis', 'late99', { most: 20 }),
  aim('redis', 'growth', { most: 20 }),
  aim('redis', 'bytes', { times: 1, of: 'celery' }),
  aim('redis', 'startup', { most: 200 }),
  aim('rabbitmq', 'drain', { times: 10, of: 'celery' }),
  aim('sqlite', 'drain', { least: 30_000 }),
  aim('sqlite', 'endToEnd', { least: 20_000 }),
];

/** A place to measure a system in: nothing of a measurement before is there. Resolves with how to leave it. */
export function placeOf(stage, server, system, { count, quick, memo }) {
  const share = system.share ?? 1;
  const place = {
    ...system,
    count: Math.max(1, Math.round(count * share)),
    ...(quick && { planned: 2_000, leadMs: Math.min(4_000, system.leadMs ?? 2_000) }),
    server,
    memo,
  };
  if (stage.name === 'sqlite') {
    const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-'));
    return {
      place: { ...place, address: join(folder, 'store.db') },
      leave: () => rmSync(folder, { recursive: true, force: true }),
    };
  }
  server.clear();
  const address = stage.results === undefined ? server.address : `${server.address}|${stage.results}`;
  // A queue of its own where a server cannot be cleared at once.
  return { place: { ...place, address, env: { BENCH_QUEUE: queueName(stage) } }, leave: () => {} };
}

/** The systems of a stage that are wanted and that are here. */
export function systemsOf(stage, only) {
  return stage.systems.filter(({ name }) => {
    if (only !== null && !only.includes(name)) return false;
    if (name === 'celery') return noCelery === null;
    return !name.startsWith('plainjob') || noPlainjob === null;
  });
}

let queues = 0;

function queueName(stage) {
  return stage.name === 'rabbitmq' ? `bench-${++queues}` : 'celery';
}

function idleRow(title, figure, part) {
  return { title, better: 'low', unit: ' ms', digits: 2, take: idle(figure, part) };
}

function dueRow(title, unit, figure) {
  return { title, better: 'low', unit: ` ${unit}`, digits: 1, take: due(figure) };
}

function pick(keys) {
  return keys.split(' ').map((key) => ({ key, better: 'high', unit: '', ...row[key] }));
}

function aim(stage, key, wanted) {
  return { stage, key, ...wanted };
}
