// One measurement in a process of its own: `node measure.mjs <system> <case> <file> <count>`. Prints one line of JSON.
// Cases of two processes are played by a `producer` and a `worker`, started by main.mjs.
import { systems } from './systems/systems.mjs';

const [name, part, file, countText] = process.argv.slice(2);
const count = Number(countText);
const system = await (await systems[name]()).open(file);
const parts = { one, flight, bulk, drain, worker, producer, pinger };
await parts[part]();
await system.close();

/** Sends awaited one by one. */
async function one() {
  await rate(async () => {
    for (let sent = 0; sent < count; sent++) await system.send({ at: 0 });
  });
}

/** 100 sends in flight. */
async function flight() {
  await rate(() => inFlight(100));
}

/** As many at a time as the system likes. */
async function bulk() {
  await rate(() => system.sendMany(count));
}

/** One worker process against a queue that another has filled (case `bulk`). */
async function drain() {
  const before = process.cpuUsage();
  const started = performance.now();
  let ran = 0;
  let allRan;
  const all = new Promise((resolve) => {
    allRan = resolve;
  });
  const worker = await system.work(() => {
    if (++ran === count) allRan();
  });
  await all;
  await worker.settled(count);
  const seconds = (performance.now() - started) / 1000;
  const { user, system: kernel } = process.cpuUsage(before);
  await worker.stop();
  report({
    rate: count / seconds,
    cpuPer1000: (user + kernel) / 1e6 / (count / 1000),
    rssMb: process.resourceUsage().maxRSS / 1024,
  });
}

/** Runs until `count` tasks have run; says when each of the first 1,000 began, and when all were settled. */
async function worker() {
  const latencies = [];
  let firstAt = 0;
  let ran = 0;
  let allRan;
  const all = new Promise((resolve) => {
    allRan = resolve;
  });
  const before = process.cpuUsage();
  const working = await system.work(({ at }) => {
    if (ran === 0) firstAt = clock();
    if (at > 0 && latencies.length < 1000) latencies.push(clock() - at);
    if (++ran === count) allRan();
  });
  process.stdout.write('ready\n');
  await all;
  await working.settled(count);
  const doneAt = clock();
  const { user, system: kernel } = process.cpuUsage(before);
  await working.stop();
  report({ firstAt, doneAt, latencies, cpuPer1000: (user + kernel) / 1e6 / (count / 1000) });
}

/** The other half of `worker`, 100 sends in flight. */
async function producer() {
  const startedAt = clock();
  await inFlight(100);
  report({ startedAt, sentAt: clock() });
}

/** One task at a time, with a pause in between: the worker is idle each time. Then as many with their results. */
async function pinger() {
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

async function inFlight(width) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await system.send({ at: 0 });
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function rate(run) {
  const started = performance.now();
  await run();
  report({ rate: count / ((performance.now() - started) / 1000) });
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
