// Workflows beside the peers, on a Redis of their own: `node bench/workflows.mjs [--rounds 3] [--quick]`. A worker process and a
// sender process each; the time from the send to the result at the sender, of the rounds the median. BullMQ's flow is a parent
// whose children it waits for; it has no chain.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { celeryVersions, noCelery } from './children.mjs';
import { noRedis, startRedis } from './servers.mjs';

const [role, system, url] = process.argv.slice(2);
if (role === 'worker' || role === 'sender') await play(role, system, url);
else await main();

/** What is measured: of `size`, and by whom. */
function takes(quick) {
  return [
    { title: 'chord of 1,000', what: 'chord', size: 1000, systems: ['umbel', 'celery', 'bullmq'] },
    { title: 'chain of 100', what: 'chain', size: 100, systems: ['umbel', 'celery'] },
    ...(quick
      ? []
      : [{ title: 'chord of 100,000', what: 'chord', size: 100_000, systems: ['umbel', 'bullmq'] }]),
  ];
}

async function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '3' }, quick: { type: 'boolean', default: false } },
  });
  if (noRedis !== null) throw new Error(noRedis);
  const redis = await startRedis(['--appendonly', 'no']);
  try {
    process.stdout.write(`Redis ${redis.version}${noCelery === null ? `, ${celeryVersions()}` : ''}\n`);
    for (const { title, what, size, systems } of takes(values.quick)) {
      const shown = [];
      for (const name of systems) {
        if (name === 'celery' && noCelery !== null) continue;
        const rounds = [];
        for (let round = 0; round < (size > 10_000 ? 1 : Number(values.rounds)); round++) {
          redis.clear();
          rounds.push(await measure(name, redis.address, what, size));
        }
        rounds.sort((a, b) => a - b);
        shown.push(`${name} ${Math.round(rounds[Math.floor(rounds.length / 2)])} ms`);
      }
      process.stdout.write(`${title}: ${shown.join(', ')}\n`);
    }
  } finally {
    await redis.stop();
  }
}

/** Milliseconds; a small one goes before, so that all is loaded and connected. */
async function measure(name, address, what, size) {
  const worker = start(name, 'worker', address);
  try {
    await worker.line('ready');
    const sender = start(name, 'sender', address);
    try {
      await sender.line('ready');
      sender.tell(`${what} 10`);
      await sender.line('ms');
      sender.tell(`${what} ${size}`);
      return Number((await sender.line('ms')).slice(3));
    } finally {
      sender.stop();
    }
  } finally {
    worker.stop();
  }
}

function start(name, role, address) {
  const here = (file) => fileURLToPath(new URL(file, import.meta.url));
  const [program, ...args] =
    name === 'celery'
      ? ['/usr/bin/python3', '-W', 'ignore', here('workflows.py')]
      : [process.execPath, here('workflows.mjs')];
  const child = spawn(program, [...args, role, name, address], { stdio: ['pipe', 'pipe', 'inherit'] });
  const dies = () => child.kill('SIGKILL');
  process.once('exit', dies);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const late = setTimeout(dies, 300_000);
  return {
    async line(beginning) {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`${name}: the ${role} ended before it said '${beginning}'`);
        if (value.startsWith(beginning)) return value;
      }
    },
    tell: (line) => child.stdin.write(`${line}\n`),
    stop() {
      clearTimeout(late);
      process.off('exit', dies);
      dies();
    },
  };
}

async function play(role, system, url) {
  const run = system === 'umbel' ? await umbel(role, url) : await bullmq(role, url);
  process.stdout.write('ready\n');
  if (role === 'worker') await once(process, 'SIGTERM');
  for await (const line of createInterface(process.stdin)) {
    const [what, size] = line.split(' ');
    const started = performance.now();
    await run(what, Number(size));
    process.stdout.write(`ms ${performance.now() - started}\n`);
  }
}

async function umbel(role, url) {
  const { App, chain, chord } = await import('../dist/index.js');
  const app = new App('bench', { broker: url, backend: url });
  const add = app.task('bench.add', (x, y) => x + y);
  const count = app.task('bench.count', (all) => all.length);
  if (role === 'worker') {
    const { Worker } = await import('../dist/worker/worker.js');
    const say = () => {};
    const silent = {
      debug: say,
      info: say,
      warn: console.warn,
      error: console.error,
      isLevelEnabled: (level) => level === 'warn' || level === 'error',
    };
    await new Worker(app, { concurrency: 100, logger: silent }).start();
    return null;
  }
  await app.broker();
  return async (what, size) => {
    const parts = Array.from({ length: size }, (_, n) => add.s(n, 1));
    const workflow =
      what === 'chord'
        ? chord(parts, count.s())
        : chain([add.s(0, 0), ...Array.from({ length: size - 1 }, () => add.s(1))]);
    const value = await (await workflow.delay()).get({ timeout: 280 });
    const wanted = what === 'chord' ? size : size - 1;
    if (value !== wanted) throw new Error(`umbel: ${what} of ${size} gave ${value}`);
  };
}

async function bullmq(role, url) {
  const { FlowProducer, QueueEvents, Worker } = createRequire(import.meta.url)('bullmq');
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  if (role === 'worker') {
    const worker = new Worker(
      'bench',
      async (job) => {
        if (job.name === 'add') return job.data.x + job.data.y;
        return Object.keys(await job.getChildrenValues()).length;
      },
      { connection, concurrency: 100 },
    );
    await worker.waitUntilReady();
    return null;
  }
  const flows = new FlowProducer({ connection });
  const events = new QueueEvents('bench', { connection });
  await events.waitUntilReady();
  return async (_, size) => {
    const children = Array.from({ length: size }, (_, x) => ({
      name: 'add',
      queueName: 'bench',
      data: { x, y: 1 },
    }));
    const { job } = await flows.add({ name: 'count', queueName: 'bench', data: {}, children });
    const value = await job.waitUntilFinished(events, 280_000);
    if (value !== size) throw new Error(`bullmq: a flow of ${size} gave ${value}`);
  };
}
