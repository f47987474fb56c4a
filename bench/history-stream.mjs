// What the history costs the workers:
// node bench/history-stream.mjs [tasks] [rounds] [store]. Drains no-op tasks with one worker process, on each store:
// without a history, with a registered recorder that is away, with one that reads in a process of its own, and with Celery's events instead.
// Not a test: it prints figures. Needs `npm run build`.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { noRabbit, noRedis, startRabbit, startRedis } from './servers.mjs';

const [role, ...rest] = process.argv.slice(2);
if (role === 'worker') await work(...rest);
else if (role === 'recorder') await record(...rest);
else await compare(Number(role ?? 30_000), Number(rest[0] ?? 3), rest[1] ?? 'all');

async function appAt(broker, backend, historyStore, settings = {}) {
  const { App } = await import('../dist/index.js');
  const app = new App('bench', { broker, backend, historyStore, ...settings });
  const noop = app.task('bench.noop', () => {});
  return { app, noop };
}

async function work(broker, backend, historyStore, tasks, how) {
  const { app } = await appAt(broker, backend, historyStore, how === 'off' ? { taskHistory: 'off' } : {});
  const { Worker } = await import('../dist/worker/worker.js');
  const transport = await app.broker();
  let started = 0;
  let first = 0;
  app.signals.taskReceived.connect(() => {
    if (started++ === 0) first = performance.now();
  });
  const cpu = process.cpuUsage();
  const worker = new Worker(app, { concurrency: 100, taskEvents: how === 'events' });
  await worker.start();
  for (;;) {
    const { ready, scheduled, claimed } = await transport.size('celery');
    if (started >= Number(tasks) && ready + scheduled + claimed === 0) break;
    await new Promise((next) => setTimeout(next, 20));
  }
  const ms = performance.now() - first;
  const { user, system } = process.cpuUsage(cpu);
  await worker.stop();
  await app.close();
  process.send({ perSecond: Number(tasks) / (ms / 1000), cpuMs: (user + system) / Number(tasks) });
}

async function record(broker, backend, historyStore) {
  const { app } = await appAt(broker, backend, historyStore);
  const { Recorder } = await import('../dist/recorder/recorder.js');
  const recorder = new Recorder(app, { enable: false });
  await recorder.start();
  process.send('ready');
  await once(process, 'message');
  await recorder.stop();
  await app.close();
  process.disconnect();
}

async function compare(tasks, rounds, only) {
  const wants = (name) => only === 'all' || only.toLowerCase() === name;
  const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-stream-'));
  const redis =
    noRedis === null && (wants('redis') || wants('rabbitmq'))
      ? await startRedis(['--appendonly', 'no'])
      : null;
  const rabbit = noRabbit === null && wants('rabbitmq') ? await startRabbit() : null;
  let runs = 0;
  const file = (name) => `sqlite://${join(folder, `${name}-${runs}.db`)}`;
  const stores = {
    ...(wants('sqlite') && { SQLite: () => [file('store'), file('store')] }),
    ...(redis &&
      wants('redis') && {
        Redis: () => {
          redis.clear();
          return [redis.address, redis.address];
        },
      }),
    ...(rabbit && {
      RabbitMQ: () => {
        redis?.clear();
        rabbit.clear?.();
        return [rabbit.address, redis?.address ?? file('results')];
      },
    }),
  };
  const found = {};
  try {
    for (let round = 0; round < rounds; round++)
      for (const [name, urls] of Object.entries(stores))
        for (const how of ['off', 'stream', 'stream and recorder', 'events']) {
          runs++;
          const [broker, backend] = urls();
          const { perSecond, cpuMs } = await measure(broker, backend, file('history'), tasks, how);
          found[name] ??= {};
          found[name][how] ??= { perSecond: [], cpuMs: [] };
          found[name][how].perSecond.push(perSecond);
          found[name][how].cpuMs.push(cpuMs);
        }
  } finally {
    await redis?.stop();
    await rabbit?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const [name, hows] of Object.entries(found)) {
    const off = median(hows.off.perSecond);
    for (const [how, { perSecond, cpuMs }] of Object.entries(hows)) {
      const cost = Math.round((1 - median(perSecond) / off) * 100);
      console.log(
        `${name.padEnd(9)} ${how.padEnd(20)} ${Math.round(median(perSecond))}/s  ${cost} % slower  ${median(cpuMs).toFixed(1)} µs CPU of the worker`,
      );
    }
  }
}

async function measure(broker, backend, historyStore, tasks, how) {
  const isRead = how === 'stream and recorder';
  let recorder = null;
  if (how.startsWith('stream')) {
    recorder = child('recorder', broker, backend, historyStore);
    await once(recorder, 'message');
    if (!isRead) {
      recorder.send('stop');
      await once(recorder, 'exit');
    }
  }
  // Sent without a history: only the worker's cost is measured.
  const { app, noop } = await appAt(broker, backend, historyStore, { taskHistory: 'off' });
  for (let sent = 0; sent < tasks; sent += 1000) await noop.applyMany(Array.from({ length: 1000 }, () => []));
  const worker = child('worker', broker, backend, historyStore, tasks, how);
  const [figures] = await once(worker, 'message');
  await once(worker, 'exit');
  if (isRead) {
    recorder.send('stop');
    await once(recorder, 'exit');
  }
  await endRegistration(app);
  await app.close();
  return figures;
}

/** The stream of the next measurement is for its recorder alone. */
async function endRegistration(app) {
  const { openHistoryOf } = await import('../build/src/app/history-work.js');
  const history = await openHistoryOf(app.config);
  const stream = await (await app.broker()).openHistoryStream({ limit: null });
  const reader = await stream.register(history.id);
  await reader.leave();
  await reader.close();
  await stream.close();
  await history.close();
}

function child(...args) {
  const started = fork(fileURLToPath(import.meta.url), args.map(String), { stdio: 'inherit' });
  const dies = () => started.kill('SIGKILL');
  process.once('exit', dies);
  started.once('exit', () => process.off('exit', dies));
  return started;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
