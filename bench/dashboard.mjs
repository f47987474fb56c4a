// What the dashboard costs: node bench/dashboard.mjs [seconds] [tabs]. Not a test: it prints figures. Needs `npm run build` and redis-server.
// It holds 100,000 tasks, then serves open pages: idle ones, and ones that show 5,000 events a second.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../build/src/app/app.js';
import { eventsMessage } from '../build/src/protocol/event.js';
import { startRedis } from './servers.mjs';

const seconds = Number(process.argv[2] ?? 60);
const tabs = Number(process.argv[3] ?? 20);
const held = 100_000;
const rate = 5_000;
const stepMs = 20;
const manyKey = 'task.multi';

const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-dashboard-'));
const redis = await startRedis([]);
const app = new App('bench', { broker: redis.address });
const { fanout } = await app.broker();
const exchange = { name: 'celeryev', type: 'topic' };
const port = await freePort();
const child = spawn(
  process.execPath,
  ['dist/cli/main.js', '-b', redis.address, 'flower', '--port', String(port), '-l', 'error'],
  {
    stdio: 'inherit',
    env: { ...process.env, UMBEL_HISTORY_STORE: `sqlite://${join(folder, 'history.db')}` },
  },
);
const url = `http://127.0.0.1:${port}`;
const leaving = new AbortController();
try {
  await ready();
  console.log(`load of the machine before: ${loads()}, ${availableParallelism()} cores`);
  show('empty', usage());

  const before = usage();
  const filling = performance.now();
  // Not faster than the dashboard reads: Redis disconnects a listener for which too much waits.
  for (let first = 0; first < held; first += 4_000) {
    await send(first, first + 4_000);
    await counted(first + 4_000);
  }
  console.log(`${held} tasks (${4 * held} events) in ${((performance.now() - filling) / 1000).toFixed(1)} s`);
  show('while it filled', usage(), before);
  await sleep(3_000);
  await pages();

  let open = [];
  for (let tab = 0; tab < tabs; tab++) open.push(openTab(tab));
  await sleep(3_000);
  let from = usage();
  await sleep(15_000);
  show(`${tabs} idle tabs`, usage(), from);

  from = usage();
  const lags = [];
  const marks = [];
  let [seen, sent] = [0, 0];
  open[0].onDelta = ({ counts }) => {
    seen += counts.succeeded;
    while (marks.length > 0 && marks[0].sent <= seen) lags.push(performance.now() - marks.shift().at);
  };
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    const due = Math.floor(((performance.now() - began) / 1000) * (rate / 4));
    if (due > sent) {
      await send(held + sent, held + due);
      sent = due;
      marks.push({ sent, at: performance.now() });
    }
    await sleep(stepMs);
  }
  const during = usage();
  const took = (performance.now() - began) / 1000;
  console.log(`${Math.round((4 * sent) / took)} events/s for ${Math.round(took)} s`);
  show(`${tabs} tabs, ${rate} events/s`, during, from);
  for (let n = 0; n < 100 && marks.length > 0; n++) await sleep(100);
  lags.sort((a, b) => a - b);
  const lag = (share) => `${Math.round(lags[Math.floor((lags.length - 1) * share)])} ms`;
  console.log(
    `lag of a delta: p50 ${lag(0.5)}, p95 ${lag(0.95)}, most ${lag(1)}; never shown: ${marks.length}`,
  );
  const answers = open.flatMap(({ times }) => times).sort((a, b) => a - b);
  console.log(
    `requests of the tabs: ${answers.length}, p50 ${Math.round(answers[answers.length >> 1])} ms, p95 ${Math.round(answers[Math.floor(answers.length * 0.95)])} ms`,
  );
  await counted(held + sent);
  await pages();
  leaving.abort();
  open = [];
  console.log(`load of the machine after: ${loads()}`);
} finally {
  leaving.abort();
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
  await app.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The four events of the tasks from `first` up to `until`. */
async function send(first, until) {
  const now = Date.now() / 1000;
  for (const type of ['task-sent', 'task-received', 'task-started', 'task-succeeded']) {
    const events = [];
    for (let n = first; n < until; n++) events.push(eventOf(type, n, now));
    for (let at = 0; at < events.length; at += 200) {
      const text = JSON.stringify(events.slice(at, at + 200));
      await fanout.publish(exchange, manyKey, eventsMessage(exchange.name, text, 'gen1@bench', manyKey));
    }
  }
}

function eventOf(type, n, timestamp) {
  const common = {
    type,
    uuid: `01a1fdea-afea-704d-89bb-${String(n).padStart(12, '0')}`,
    hostname: type === 'task-sent' ? 'gen1@bench' : `celery@worker-${n % 8}`,
    timestamp,
    utcoffset: 0,
    pid: 1,
    clock: n,
  };
  if (type === 'task-started') return common;
  if (type === 'task-succeeded') return { ...common, result: `{'ok': True, 'id': ${n}}`, runtime: 0.01 };
  const call = {
    name: `shop.task_${n % 20}`,
    args: `('customer-${n}@example.org', ${n}, {'amount': ${n % 977}, 'currency': 'EUR'})`,
    kwargs: `{'priority': 'high', 'order': ${n}}`,
    root_id: common.uuid,
    parent_id: null,
    retries: 0,
    eta: null,
    expires: null,
  };
  return { ...common, ...call, ...(type === 'task-sent' && { queue: `queue-${n % 5}` }) };
}

/** What a page does: it reads the changes, and asks again when something changed, at most every two seconds. */
function openTab(number) {
  const tab = { times: [], onDelta: () => undefined };
  const asks =
    number % 2 === 0
      ? ['/api/v1/tasks?limit=50', '/api/v1/tasks/counts']
      : number % 4 === 1
        ? ['/api/v1/overview']
        : ['/api/v1/queues'];
  let [isChanged, askedAt] = [true, 0];
  void (async () => {
    const stream = await fetch(`${url}/api/v1/live`, { signal: leaving.signal });
    let text = '';
    for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data === undefined) continue;
        const delta = JSON.parse(data);
        isChanged ||= delta.partial || delta.tasks.length > 0 || delta.workers.length > 0;
        tab.onDelta(delta);
      }
    }
  })().catch(ended);
  void (async () => {
    for (;;) {
      await sleep(250, undefined, { signal: leaving.signal });
      if (Date.now() - askedAt < (isChanged ? 2_000 : 15_000)) continue;
      isChanged = false;
      for (const path of asks) {
        const at = performance.now();
        await get(path);
        tab.times.push(performance.now() - at);
      }
      askedAt = Date.now();
    }
  })().catch(ended);
  return tab;
}

/** The server closes idle connections. A browser then asks again by itself. */
async function get(path) {
  for (let attempt = 1; ; attempt++)
    try {
      return await (await fetch(url + path, { signal: leaving.signal })).text();
    } catch (error) {
      if (attempt === 3 || leaving.signal.aborted) throw error;
    }
}

function ended(error) {
  if (!leaving.signal.aborted) throw error;
}

async function pages() {
  for (const path of [
    'tasks?limit=25',
    'tasks?limit=25&query=state:failure',
    'tasks/counts',
    'overview',
    'queues',
  ]) {
    const times = [];
    for (let n = 0; n < 7; n++) {
      const at = performance.now();
      await (await fetch(`${url}/api/v1/${path}`)).text();
      times.push(performance.now() - at);
    }
    times.sort((a, b) => a - b);
    console.log(`GET ${path}: ${times[3].toFixed(1)} ms (slowest ${times[6].toFixed(1)})`);
  }
}

async function counted(tasks) {
  for (let n = 0; n < 600; n++) {
    const counts = await (await fetch(`${url}/api/v1/tasks/counts`)).json();
    if (Object.values(counts).reduce((sum, each) => sum + each, 0) >= tasks) return;
    await sleep(100);
  }
  console.log(
    `not all of ${tasks} tasks are in the history: a machine under load loses events that Redis does not keep`,
  );
}

async function ready() {
  for (let n = 0; n < 300; n++) {
    if (
      await fetch(`${url}/healthcheck`).then(
        (response) => response.ok,
        () => false,
      )
    )
      return sleep(1_000);
    await sleep(100);
  }
  throw new Error('the dashboard did not start');
}

/** CPU seconds and memory of the dashboard's process, as Linux counts them. */
function usage() {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const mebibytes =
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
  return { at: performance.now(), cpu: (Number(fields[11]) + Number(fields[12])) / 100, mebibytes };
}

function show(what, now, from = null) {
  const cpu =
    from === null
      ? ''
      : `${((100 * (now.cpu - from.cpu)) / ((now.at - from.at) / 1000)).toFixed(1)} % of a core, `;
  console.log(`${what}: ${cpu}${Math.round(now.mebibytes)} MiB`);
}

function loads() {
  return loadavg()
    .map((each) => each.toFixed(1))
    .join(' ');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address();
  server.close();
  await once(server, 'close');
  return free;
}
