// What the history of tasks costs: node bench/history.mjs [tasks] [postgresql://…]. Default: a new SQLite file; in PostgreSQL, a new schema, which is
// dropped at the end. Not a test: it prints figures. Needs `npm run build`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { parseSort } from '../build/src/history/compile.js';
import { parseQuery } from '../build/src/history/parse-query.js';
import { readTaskEvent } from '../build/src/history/read-event.js';
import { FactsBuffer } from '../build/src/recorder/facts-buffer.js';
import { openPostgresHistory } from '../build/src/stores/postgres/postgres-history.js';
import { openSqliteHistory } from '../build/src/stores/sqlite/sqlite-history.js';

const tasks = Number(process.argv[2] ?? 100_000);
/** Tasks that run at one time, whose events come mixed. */
const atOnce = 200;
const batch = 2_000;

const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-history-'));
const url = process.argv[3];
const schema = `bench_${process.pid}`;
const store =
  url === undefined
    ? await openSqliteHistory(join(folder, 'history.db'))
    : await openPostgresHistory(url, { schema });
const began = Date.now() / 1000 - tasks / 100;
let clock = 0;

function* events() {
  for (let first = 0; first < tasks; first += atOnce)
    for (const type of ['task-sent', 'task-received', 'task-started', 'end'])
      for (let n = first; n < Math.min(tasks, first + atOnce); n++) yield eventOf(type, n);
}

function eventOf(type, n) {
  const failed = n % 50 === 0;
  const name = `shop.task_${n % 20}`;
  const uuid = `01a1fdea-afea-704d-89bb-${String(n).padStart(12, '0')}`;
  const common = {
    uuid,
    hostname: type === 'task-sent' ? 'gen4711@web-1' : `celery@worker-${n % 8}`,
    timestamp: began + n / 100,
    utcoffset: 0,
    pid: 1,
    clock: ++clock,
  };
  const call = {
    name,
    args: `('customer-${n}@example.org', ${n}, {'amount': ${n % 977}, 'currency': 'EUR'})`,
    kwargs: `{'priority': 'high', 'order': ${n}}`,
    root_id: uuid,
    parent_id: null,
    retries: 0,
    eta: null,
    expires: null,
  };
  const umbel = {
    queue: `queue-${n % 5}`,
    priority: 0,
    args: [`customer-${n}@example.org`, n, { amount: n % 977, currency: 'EUR' }],
    kwargs: { priority: 'high', order: n },
  };
  if (type === 'task-sent')
    return { ...common, type, ...call, queue: `queue-${n % 5}`, routing_key: `queue-${n % 5}`, umbel };
  if (type === 'task-received') return { ...common, type, ...call, umbel: { ...umbel, attempt: 1 } };
  if (type === 'task-started') return { ...common, type };
  if (!failed)
    return { ...common, type: 'task-succeeded', result: `{'ok': True, 'id': ${n}}`, runtime: 0.01 };
  const traceback = `Traceback (most recent call last):\n${'  File "/app/shop.py", line 12, in run\n'.repeat(8)}`;
  return { ...common, type: 'task-failed', exception: `TimeoutError('order ${n}')`, traceback };
}

const start = performance.now();
const cpu = process.cpuUsage();
let count = 0;
const buffer = new FactsBuffer();
for (const event of events()) {
  count++;
  const facts = readTaskEvent(event);
  if (facts !== null) buffer.add(facts);
  if (count % batch === 0) {
    await store.merge(buffer.take(), { id: 'bench', from: 1, until: count });
  }
}
await store.merge(buffer.take(), null);
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpu);
const { bytes } = await store.size();
console.log(
  `ingest: ${Math.round(count / seconds)} events/s (${Math.round(count / ((user + system) / 1e6))} per CPU second)`,
);
console.log(`bytes a task: ${Math.round(bytes / tasks)}`);

async function timed(what, work) {
  const times = [];
  let value;
  for (let n = 0; n < 5; n++) {
    const at = performance.now();
    value = await work();
    times.push(performance.now() - at);
  }
  times.sort((a, b) => a - b);
  console.log(`${what}: ${times[2].toFixed(1)} ms (slowest ${times[4].toFixed(1)})  ${value}`);
}

const list = (query, sort = '-seen', after = null) =>
  store.list({ condition: parseQuery(query), now: Date.now(), sort: parseSort(sort), limit: 25, after });
const shown = ({ tasks: found }) => `${found.length} tasks`;

await timed('page of all', async () => shown(await list('')));
const deep = async () => {
  let page = await list('');
  for (let n = 0; n < 40; n++) page = await list('', '-seen', page.next);
  return page;
};
const { next } = await deep();
await timed('page 42', async () => shown(await list('', '-seen', next)));
for (const query of [
  'state:failure',
  'state:failure name:shop.task_0',
  'name:shop.*',
  'name:shop.task_7',
  'queue:queue-3 state:success',
  'worker:celery@worker-2 ended:<1d',
  'runtime:>10s',
  `"customer-${tasks - 5}@"`,
  '"nowhere to be found"',
  `id:01a1fdea-afea-704d-89bb-${String(tasks >> 1).padStart(12, '0')}`,
  'kwargs.order:5',
])
  await timed(`page of ${query}`, async () => shown(await list(query)));
await timed('page by ended', async () => shown(await list('', '-ended')));
await timed('page by runtime', async () => shown(await list('', '-runtime')));
await timed('counts', async () => (await store.counts({ condition: null, now: 0 })).size);
await timed('facet by name', async () => (await store.facet('name', { condition: null, now: 0 }, 20)).length);
const before = performance.now();
await store.prune({ updatedBefore: null, maxTasks: tasks - 500 }, 500);
console.log(`prune of 500: ${(performance.now() - before).toFixed(1)} ms`);
await store.close();
rmSync(folder, { recursive: true });
if (url !== undefined) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP SCHEMA ${schema} CASCADE`);
  await client.end();
}
