// One measurement in a process of its own: `node measure.mjs <system> <part> <address> <count> [more]`. Prints one line of
// JSON. Parts of two processes are played by a `worker` and a sender (`producer`, `pinger`, `planner`), started by main.mjs.
// measure.py is its twin for Celery.
import { systems } from './systems/systems.mjs';

const [name, part, address, countText, more] = process.argv.slice(2);
const count = Number(countText);
const system = await (await systems[name]()).open(address);
const parts = { one, flight, bulk, drain, counts, worker, producer, pinger, planner };
await parts[part]();
// A long report may still be on its way.
await new Promise((written) => process.stdout.write('', written));
// Some peers cannot be closed while they wait.
process.exit(0);

/** Sends awaited one by one. */
async function one() {
  await rate(async () => {
    for (let sent = 0; sent < count; sent++) await system.send({ at: 0 });
  });
}

/** 100 sends in flight. */
async function flight() {
  await rate(() => inFlight(count));
}

/** As many at a time as the system likes. */
async function bulk() {
  await rate(() => system.sendMany(count));
}

/** One worker process against a queue that another has filled (part `bulk`). */
async function drain() {
  const before = process.cpuUsage();
  const started = performance.now();
  const { all, ran } = counted();
  const worker = await system.work(ran);
  await all;
  await worker.settled(count);
  const seconds = (performance.now() - started) / 1000;
  const { user, system: kernel } = process.cpuUsage(before);
  const rssMb = process.resourceUsage().maxRSS / 1024;
  await worker.stop();
  report({ rate: count / seconds, cpuPer1000: (user + kernel) / 1e6 / (count / 1000), rssMb });
}

/** Asked for after a drain, when the server's work for it has been read: counting is work, too. */
async function counts() {
  report({ counts: await system.counts() });
}

/**
 * Runs until `count` tasks have run; says when the first began, of each that carries `at` how long after that it began,
 * of each that carries `due` how late, and when all were settled. `rss`: its memory, each 50 ms.
 */
async function worker() {
  const latencies = [];
  const lateness = [];
  const rss = [];
  let firstAt = 0;
  const { all, ran } = counted();
  const working = await system.work(({ at, due }) => {
    if (firstAt === 0) firstAt = clock();
    if (at > 0) latencies.push(clock() - at);
    if (due > 0) lateness.push(clock() - due);
    ran();
  });
  const sample = () => rss.push({ at: clock(), mb: process.memoryUsage.rss() / 1024 / 1024 });
  const sampling = more === 'rss' ? setInterval(sample, 50) : null;
  process.stdout.write('ready\n');
  await all;
  await working.settled(count);
  const doneAt = clock();
  if (sampling !== null) {
    sample();
    clearInterval(sampling);
  }
  const counts = await system.counts();
  await working.stop();
  report({ firstAt, doneAt, latencies, lateness, rss, counts });
}

/** The other half of `worker`, 100 sends in flight. */
async function producer() {
  const startedAt = clock();
  await inFlight(count);
  report({ startedAt, sentAt: clock() });
}

/** One task at a time, with a pause in between: the worker is idle each time. Then as many with their results. */
async function pinger() {
  await system.listens?.();
  for (let sent = 0; sent < count / 2; sent++) {
    await pause(4 + (sent % 7));
    await system.send({ at: clock() });
  }
  await pause(100);
  const roundTrips = [];
  for (let sent = 0; sent < count / 2; sent++) {
    await pause(4 + (sent % 7));
    const at = clock();
    if (system.result === null) await system.send({ at: 0 });
    else {
      await system.result({ at: 0 });
      roundTrips.push(clock() - at);
    }
  }
  report({ roundTrips });
}

/** `count` tasks due evenly within 3 s, the first `more` milliseconds from now; before, 1,000 that warm the worker up. */
async function planner() {
  const spreadMs = 3000;
  await inFlight(1000);
  await pause(500);
  const startedAt = clock();
  const firstDue = Math.ceil(startedAt + Number(more));
  let planned = 0;
  const lane = async () => {
    while (planned < count) {
      const due = firstDue + Math.floor((planned++ * spreadMs) / count);
      await system.sendAt({ at: 0, due }, due);
    }
  };
  await Promise.all(Array.from({ length: 100 }, lane));
  const aheadMs = firstDue - clock();
  if (aheadMs < 0) throw new Error(`${name} was still sending when the first task was due`);
  report({ startedAt });
}

async function inFlight(sends) {
  let left = sends;
  const lane = async () => {
    while (left-- > 0) await system.send({ at: 0 });
  };
  await Promise.all(Array.from({ length: 100 }, lane));
}

/** What counts the tasks that run, and a promise for the last. */
function counted() {
  let seen = 0;
  let ran;
  const all = new Promise((resolve) => {
    ran = () => {
      if (++seen === count) resolve();
    };
  });
  return { all, ran };
}

async function rate(run) {
  const started = performance.now();
  await run();
  const seconds = (performance.now() - started) / 1000;
  report({ rate: count / seconds, counts: await system.counts() });
}

/** Milliseconds, with fractions, the same in all processes of the machine. */
function clock() {
  return performance.timeOrigin + performance.now();
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

function report(figures) {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
