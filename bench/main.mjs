// Ours beside the peer, in one run: each measurement in fresh processes on a fresh file, the systems taking turns,
// and of the rounds the median. `--rounds 3 --count 50000`
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    count: { type: 'string', default: '50000' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const count = Number(values.count);
const names = values.only ? values.only.split(',') : ['umbel', 'plainjob', 'plainjob-fsync'];
if (names.includes('umbel') && !existsSync(join(here, '..', 'dist', 'index.js')))
  fail('the package is not built: run `npm run build` first');
if (names.some((name) => name.startsWith('plainjob')) && !existsSync(join(here, 'node_modules', 'plainjob')))
  fail(
    'the peer is not installed: run `npm ci --prefix bench` first (it compiles better-sqlite3: about a minute)',
  );

/** Each row: its title, what it measures (system -> a number, more is better unless told), and how it is written. */
const rows = [
  {
    title: 'enqueue, awaited one by one',
    unit: '/s',
    take: async (name) => (await single(name, 'one', 2_000)).rate,
  },
  {
    title: 'enqueue, 100 in flight',
    unit: '/s',
    take: async (name) => (await single(name, 'flight', countFor(name))).rate,
  },
  {
    title: 'enqueue in bulk (1,000 at a time)',
    unit: '/s',
    take: async (name) => (await single(name, 'bulk', countFor(name))).rate,
  },
  {
    title: `drain ${count.toLocaleString('en')} no-op tasks, one worker`,
    unit: '/s',
    key: 'drain',
    take: async (name) => (await drain(name)).rate,
  },
  {
    title: '  its CPU-seconds per 1,000 tasks',
    unit: '',
    digits: 3,
    take: async (name) => (await drain(name)).cpuPer1000,
  },
  { title: '  its memory, at most', unit: ' MB', take: async (name) => (await drain(name)).rssMb },
  { title: 'start of a worker to its first task', unit: ' ms', take: start },
  { title: 'end to end, producer and worker process', unit: '/s', take: endToEnd },
  {
    title: 'idle, call to start: median',
    unit: ' ms',
    digits: 2,
    take: async (name) => quantile((await ping(name)).starts, 0.5),
  },
  {
    title: 'idle, call to start: 99 of 100',
    unit: ' ms',
    digits: 2,
    take: async (name) => quantile((await ping(name)).starts, 0.99),
  },
  {
    title: 'idle, call to result: median',
    unit: ' ms',
    digits: 2,
    take: async (name) => quantile((await ping(name)).roundTrips, 0.5),
  },
  {
    title: 'idle, call to result: 99 of 100',
    unit: ' ms',
    digits: 2,
    take: async (name) => quantile((await ping(name)).roundTrips, 0.99),
  },
];

const samples = new Map(rows.map((row) => [row, new Map(names.map((name) => [name, []]))]));
/** Rows that share a measurement share it within a round. */
let memo = new Map();
for (let round = 1; round <= rounds; round++) {
  memo = new Map();
  for (const row of rows)
    for (const name of round % 2 ? names : names.toReversed()) {
      samples
        .get(row)
        .get(name)
        .push(await row.take(name));
      process.stderr.write('.');
    }
}
process.stderr.write('\n');

if (values.json) {
  const figures = rows.map((row) => [
    row.title.trim(),
    Object.fromEntries(names.map((name) => [name, samples.get(row).get(name)])),
  ]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(figures), null, 2)}\n`);
} else print();

function print() {
  const width = 44;
  const heads = { umbel: 'Umbel', plainjob: 'plainjob', 'plainjob-fsync': 'plainjob, fsync' };
  const line = (title, cells) => `${title.padEnd(width)}${cells.map((cell) => cell.padStart(18)).join('')}\n`;
  process.stdout.write(
    line(
      '',
      names.map((name) => heads[name] ?? name),
    ),
  );
  process.stdout.write(
    line(
      'results stored',
      names.map((name) => (name === 'umbel' ? 'yes' : 'no')),
    ),
  );
  process.stdout.write(
    line(
      'a commit is on the disk (synchronous=FULL)',
      names.map((name) => (name === 'plainjob' ? 'no' : 'yes')),
    ),
  );
  for (const row of rows) {
    const cells = names.map((name) => {
      const middle = quantile(samples.get(row).get(name), 0.5);
      const digits = row.digits ?? 0;
      const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
      return Number.isFinite(middle) ? `${middle.toLocaleString('en', options)}${row.unit}` : '-';
    });
    process.stdout.write(line(row.title, cells));
  }
  process.stdout.write(
    `Medians of ${rounds} rounds. Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}.\n` +
      'plainjob keeps no results; it polls each second by default, here each 10 ms.\n',
  );
}

/** A peer that commits each call alone takes its time with a flush each: fewer show its rate as well. */
function countFor(name) {
  return name === 'plainjob-fsync' ? Math.min(count, 5_000) : count;
}

async function single(name, part, tasks) {
  return await inFolder(async (file) => await child([name, part, file, tasks]).figures);
}

function drain(name) {
  return once(`drain ${name}`, () =>
    inFolder(async (file) => {
      await child([name, 'bulk', file, countFor(name)]).figures;
      return await child([name, 'drain', file, countFor(name)]).figures;
    }),
  );
}

/** Milliseconds from the start of the process to the begin of the task that waits for it. */
async function start(name) {
  return await inFolder(async (file) => {
    await child([name, 'bulk', file, 1]).figures;
    const at = performance.timeOrigin + performance.now();
    const { firstAt } = await child([name, 'worker', file, 1]).figures;
    return firstAt - at;
  });
}

async function endToEnd(name) {
  return await inFolder(async (file) => {
    const worker = child([name, 'worker', file, countFor(name)]);
    await worker.ready;
    const { startedAt } = await child([name, 'producer', file, countFor(name)]).figures;
    const { doneAt } = await worker.figures;
    return countFor(name) / ((doneAt - startedAt) / 1000);
  });
}

function ping(name) {
  const tasks = 400;
  return once(`ping ${name}`, () =>
    inFolder(async (file) => {
      const worker = child([name, 'worker', file, tasks]);
      await worker.ready;
      const { roundTrips } = await child([name, 'pinger', file, tasks]).figures;
      const { latencies } = await worker.figures;
      // The first are a program that is not yet warm.
      return { starts: latencies.slice(20), roundTrips: roundTrips.slice(20) };
    }),
  );
}

function once(key, take) {
  if (!memo.has(key)) memo.set(key, take());
  return memo.get(key);
}

async function inFolder(run) {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-'));
  try {
    return await run(join(folder, 'store.db'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a measurement. `ready`: it said so. `figures`: what it printed last, when it has ended. Bounded: 120 s. */
function child(args) {
  const started = spawn(process.execPath, [join(here, 'measure.mjs'), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const late = setTimeout(() => started.kill('SIGKILL'), 120_000);
  let output = '';
  let isReady;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });
  started.stdout.on('data', (chunk) => {
    output += chunk;
    if (output.startsWith('ready\n')) isReady();
  });
  const figures = new Promise((resolve, reject) => {
    started.on('close', (code) => {
      clearTimeout(late);
      if (code !== 0) reject(new Error(`${args.join(' ')} ended with ${code}`));
      else resolve(JSON.parse(output.trim().split('\n').at(-1)));
    });
  });
  return { ready: Promise.race([ready, figures]), figures };
}

function quantile(numbers, part) {
  const sorted = numbers.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
