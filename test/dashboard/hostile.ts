// A stranger's requests: absurd values in each place of each route that the dashboard has.
import { setTimeout } from 'node:timers/promises';
import { Hono } from 'hono';
import { vi } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { Control } from '../../src/control/control.ts';
import { AuditFile, DashboardAudit } from '../../src/dashboard/server/audit.ts';
import type { DashboardContext } from '../../src/dashboard/server/context.ts';
import { flowerRoutes } from '../../src/dashboard/server/flower/flower.ts';
import { type DashboardOptions, resolveOptions } from '../../src/dashboard/server/options.ts';
import { Fleet } from '../../src/dashboard/server/pages/fleet.ts';
import { pageRoutes } from '../../src/dashboard/server/pages/routes.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { patienceMs } from '../until.ts';
import { type Ask, newDashboard } from './bench.ts';

/** A request that is right, from which wrong ones are made. */
export interface Sample {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Members of the body that may be left out. */
  readonly optional?: readonly string[];
}

const reason = { reason: 'it is a test' };
const schedule = { name: 'nightly', kind: 'every', interval: '10m', task: 'shop.add' };
const scheduleFields = ['interval', 'task', 'args', 'kwargs', 'queue'];
const order = (action: string, more: object = {}): Sample => ({
  query: reason,
  body: { workers: ['w1@here'], order: { action, ...more } },
});

/** What each route reads, by method and path below the prefix. A route without a line here fails the test. */
export const samples: Readonly<Record<string, Sample | readonly Sample[]>> = {
  'GET /api/v1/me': {},
  'GET /api/v1/overview': {},
  'GET /api/v1/live': {},
  'GET /api/v1/tasks': { query: { query: 'name:shop.*', sort: '-seen', limit: '5', after: '' } },
  'GET /api/v1/tasks/counts': { query: { query: 'name:shop.*' } },
  'GET /api/v1/tasks/names': {},
  'GET /api/v1/tasks/values': {},
  'POST /api/v1/tasks/send': {
    query: reason,
    body: { name: 'shop.add', args: [1], kwargs: {}, queue: 'mail', countdown: 60 },
    optional: ['args', 'kwargs', 'queue', 'countdown'],
  },
  'POST /api/v1/tasks/revoke': {
    query: reason,
    body: { ids: ['some-id'], terminate: false, signal: 'SIGTERM' },
    optional: ['terminate', 'signal'],
  },
  'POST /api/v1/tasks/:id/retry': {
    query: reason,
    body: { args: [1], kwargs: {}, queue: 'mail' },
    optional: ['args', 'kwargs', 'queue'],
  },
  'GET /api/v1/tasks/:id/why': {},
  'GET /api/v1/tasks/:id': {},
  'GET /api/v1/workflows/:id': {},
  'GET /api/v1/failures': { query: { hours: '24' } },
  'GET /api/v1/workers': {},
  'GET /api/v1/workers/:name': {},
  'POST /api/v1/control': [
    order('pool_grow', { n: 1 }),
    order('pool_shrink', { n: 1 }),
    order('autoscale', { min: 1, max: 2 }),
    order('add_consumer', { queue: 'mail' }),
    order('cancel_consumer', { queue: 'mail' }),
    order('rate_limit', { task: 'shop.add', rate: '10/m' }),
    order('time_limit', { task: 'shop.add', soft: 1, hard: 2 }),
  ],
  'GET /api/v1/queues': {},
  'GET /api/v1/queues/:name/waiting': { query: { place: 'ready', first: 'next' } },
  'GET /api/v1/queues/:name/held': {},
  'POST /api/v1/queues/:name/release': { query: reason, body: { id: 'some-id' } },
  'POST /api/v1/queues/:name/pause': { query: reason },
  'POST /api/v1/queues/:name/resume': { query: reason },
  'GET /api/v1/doctor': { query: { again: 'false' } },
  'GET /api/v1/doctor/tasks': {},
  'GET /api/v1/audit': { query: { before: '5' } },
  'GET /api/v1/limits': {},
  'GET /api/v1/locks': {},
  'POST /api/v1/locks/release': { query: reason, body: { key: 'shop.add|1', id: 'some-id' } },
  'GET /api/v1/schedules': {},
  'GET /api/v1/schedules/calendar': {},
  'POST /api/v1/schedules/check': {
    body: { form: schedule, changes: null },
    optional: scheduleFields.map((each) => `form.${each}`),
  },
  'POST /api/v1/schedules': { query: reason, body: schedule },
  'PUT /api/v1/schedules/:name': { query: reason, body: { form: schedule, before: schedule } },
  'DELETE /api/v1/schedules/:name': { query: reason },
  'GET /api/v1/schedules/:name/runs': {},
  'POST /api/v1/schedules/:name/run': { query: reason },
  'POST /api/v1/schedules/:name/:verb{pause|resume}': { query: reason },
  'POST /api/v1/waiting/move': {
    query: reason,
    body: { from: 'mail', to: 'slow', query: 'name:mail.*', limit: 5, dryRun: true },
    optional: ['query', 'limit', 'dryRun'],
  },
  'POST /api/v1/waiting/purge': {
    query: reason,
    body: { from: 'mail', query: 'name:mail.*', dryRun: true },
    optional: ['query', 'dryRun'],
  },
  'POST /api/v1/waiting/promote': {
    query: reason,
    body: { which: { query: 'name:mail.*' }, dryRun: true },
    optional: ['dryRun'],
  },
  'POST /api/v1/waiting/reschedule': [
    {
      query: reason,
      body: { which: { ids: ['x'] }, changes: { eta: 1_790_000_000_000, queue: 'slow', priority: 3 } },
      optional: ['changes.eta', 'changes.queue', 'changes.priority'],
    },
  ],
  'GET /api/v1/jobs': {},
  'GET /api/v1/jobs/:id': {},
  'POST /api/v1/jobs': {
    query: reason,
    body: { query: 'state:failure', rate: '50/s', stopAt: 0.5, again: false },
    optional: ['rate', 'stopAt', 'again'],
  },
  'POST /api/v1/jobs/:id/prepare': { query: reason },
  'POST /api/v1/jobs/:id/run': { query: reason, body: { rate: '20/s' }, optional: ['rate'] },
  'POST /api/v1/jobs/:id/:verb{pause|abort}': { query: reason },
  'GET /api/v1/chords/:id': {},
  'POST /api/v1/chords/:id/retry': {
    query: reason,
    body: { member: 'm', args: [1], queue: 'mail' },
    optional: ['args', 'queue'],
  },
  'POST /api/v1/chords/:id/give': {
    query: reason,
    body: { member: 'm', value: 5 },
    optional: ['value'],
  },
  'POST /api/v1/chords/:id/fire': {
    query: reason,
    body: { value: 5 },
    optional: ['value'],
  },
  'POST /api/v1/chords/:id/cancel': { query: reason },
  'GET /api/v1/restart': {},
  'POST /api/v1/restart': {
    query: reason,
    body: { workers: ['w1@here'], patience: 30 },
    optional: ['patience'],
  },
  'POST /api/v1/restart/stop': { query: reason },
  'GET /api/v1/dead': { query: { task: 'shop.add', queue: 'mail', reason: 'rejected', before: '5' } },
  'GET /api/v1/dead/:id{[0-9]+}': {},
  'POST /api/v1/dead/replay': { query: reason, body: { ids: [1] } },
  'POST /api/v1/dead/discard': { query: reason, body: { ids: [1] } },
  'GET /api/workers': { query: { refresh: '0', workername: 'w1@here', status: '1' } },
  'POST /api/worker/shutdown/:name{.+}': { query: reason },
  'POST /api/worker/pool/restart/:name{.+}': { query: reason },
  'POST /api/worker/pool/grow/:name{.+}': { query: { ...reason, n: '1' } },
  'POST /api/worker/pool/shrink/:name{.+}': { query: { ...reason, n: '1' } },
  'POST /api/worker/pool/autoscale/:name{.+}': { query: { ...reason, min: '1', max: '2' } },
  'POST /api/worker/queue/add-consumer/:name{.+}': { query: { ...reason, queue: 'mail' } },
  'POST /api/worker/queue/cancel-consumer/:name{.+}': { query: { ...reason, queue: 'mail' } },
  'GET /api/tasks': {
    query: {
      limit: '5',
      offset: '0',
      sort_by: '-name',
      workername: 'w1@here',
      taskname: 'shop.add',
      state: 'SUCCESS',
      received_start: '2026-11-22 03:12',
      received_end: '2026-11-22 03:13',
      search: 'name:add',
    },
  },
  'GET /api/task/info/:name{.+}': {},
  'GET /api/task/types': {},
  'GET /api/task/result/:name{.+}': { query: { timeout: '0' } },
  'POST /api/task/apply/:name{.+}': { body: { args: [], kwargs: {} } },
  'POST /api/task/async-apply/:name{.+}': { body: { args: [], kwargs: {} } },
  'POST /api/task/send-task/:name{.+}': {
    body: {
      args: [1],
      kwargs: {},
      queue: 'mail',
      eta: '2026-11-22 03:12:00.000000',
      expires: 5,
      priority: 3,
      task_id: 'an-id',
      routing_key: 'mail',
      headers: {},
    },
    optional: [
      ...['args', 'kwargs', 'queue', 'eta', 'expires'],
      ...['priority', 'task_id', 'routing_key', 'headers'],
    ],
  },
  'POST /api/task/revoke/:name{.+}': { query: { ...reason, terminate: '0', signal: 'SIGTERM' } },
  'POST /api/task/abort/:name{.+}': { query: reason },
  'POST /api/task/rate-limit/:name{.+}': {
    query: { ...reason, workername: 'w1@here', ratelimit: '10/m' },
  },
  'POST /api/task/timeout/:name{.+}': {
    query: { ...reason, workername: 'w1@here', soft: '1', hard: '2' },
  },
  'GET /api/queues/length': {},
  'GET /metrics': {},
  'GET /workers': { query: { json: '1' } },
};

/** The routes that the dashboard has: `POST /api/v1/restart`. */
export function routesOf(app: App): readonly string[] {
  const control = new Control(app);
  const settings = resolveOptions({ insecure: true });
  const context: DashboardContext = {
    app,
    control,
    history: app.history,
    cluster: new ClusterState({ maxTasks: 10, maxWorkers: 10, maxBytes: 10_000 }),
    fleet: new Fleet(control),
    settings,
    auditLog: new DashboardAudit(app.audit, new AuditFile(() => Promise.resolve('')), false),
    closing: new AbortController().signal,
    onEvent: () => () => {},
    onClose: () => {},
    firstAttempt: Promise.resolve(),
    flush: () => Promise.resolve(),
  };
  const { routes } = new Hono().route('/api/v1', pageRoutes(context)).route('/', flowerRoutes(context));
  return [
    ...new Set(
      routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
    ),
  ];
}

/** As they stand in an address. */
const absurdParts = [
  '%00',
  'a%00b',
  '%ED%A0%80',
  '%',
  '%zz',
  '..%2f..%2f..%2fetc%2fpasswd',
  '%0d%0aX-Evil:%20yes',
  '%3Cscript%3Ealert(1)%3C%2Fscript%3E',
  '__proto__',
  'constructor',
  'a'.repeat(5_000),
  '%F0%9F%92%A5',
  '%5C',
  '%22',
  "'%20OR%201=1--",
  '*',
  '-1',
  '99999999999999999999999999',
];

const absurdTexts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '-1',
  '0',
  '1.5',
  '1e999',
  'NaN',
  '99999999999999999999999999',
  '__proto__',
  '(((((((((((((((((((((((((((((((((((((((',
  '"',
  'args.a.b.c:>',
  'a'.repeat(100_000),
  '<script>alert(1)</script>',
  '\r\nX-Evil: yes',
  "' OR 1=1--",
  '%',
  '*'.repeat(300),
  '[a-z]+$',
];

function deep(depth: number): unknown {
  let value: unknown = [];
  for (let n = 0; n < depth; n++) value = [value];
  return value;
}

const absurdValues: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e300,
  ...absurdTexts,
  [],
  [null],
  [''],
  ['\0'],
  [[]],
  {},
  { __proto__: 1 },
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'),
  { toString: 1, length: -1 },
  deep(200),
  new Array(2_000).fill('x'),
];

export interface HostileRequest {
  readonly route: string;
  /** The parameter, or the member of the body, that is wrong. */
  readonly at: string;
  readonly value: unknown;
  readonly isMissing: boolean;
  readonly path: string;
  readonly init: RequestInit;
}

/** All wrong requests of a route. */
export function* hostileRequests(route: string): Generator<HostileRequest> {
  for (const sample of [samples[route] ?? []].flat()) yield* ofSample(route, sample);
}

function* ofSample(route: string, sample: Sample): Generator<HostileRequest> {
  const [method = 'GET', template = ''] = route.split(' ', 2);
  const request = (
    at: string,
    value: unknown,
    { part = 'some-id', query = sample.query, body = sample.body as unknown, isMissing = false } = {},
  ): HostileRequest => {
    const search = new URLSearchParams(query ?? {}).toString();
    const path = pathOf(template, part) + (search === '' ? '' : `?${search}`);
    return {
      route,
      at,
      value,
      isMissing,
      path,
      init:
        body === undefined || method === 'GET'
          ? { method }
          : {
              method,
              headers: { 'content-type': 'application/json' },
              body: typeof body === 'string' ? body : JSON.stringify(body),
            },
    };
  };
  yield request('', 'right');
  if (/:(?!verb)/.test(template.replace(/\{.*?\}/g, '')))
    for (const part of absurdParts) yield request('the path', part, { part });
  for (const name of Object.keys(sample.query ?? {})) {
    for (const value of absurdTexts) {
      if (value.length > 20_000) continue; // longer than the head of a request may be
      yield request(name, value, { query: { ...sample.query, [name]: value } });
    }
    yield request(name, 'twice', { query: { ...sample.query, [`${name}[]`]: 'x', [`${name}.x`]: 'y' } });
  }
  if (sample.body === undefined) return;
  for (const body of ['', 'null', '[]', '5', '"x"', '{', '{"a":', '\0', '{"__proto__":null}', '\ufeff{}'])
    yield request('the body', body, { body, isMissing: true });
  for (const [path, changed] of changes(sample.body)) {
    for (const value of absurdValues) yield request(path, value, { body: changed(value) });
    yield request(path, undefined, { body: changed(undefined), isMissing: true });
  }
}

function pathOf(template: string, part: string): string {
  return template
    .replace(/:verb\{(\w+).*?\}/, '$1')
    .replace(/:\w+\{\[0-9\]\+\}/, part === 'some-id' ? '1' : part)
    .replace(/:\w+(?:\{\.\+\})?/, part);
}

type Change = (value: unknown) => object;

/** How to put another value at each place of a body: `order.n`. */
function* changes(body: Readonly<Record<string, unknown>>): Generator<[string, Change]> {
  for (const [name, value] of Object.entries(body)) {
    yield [name, (other) => ({ ...body, [name]: other })];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    for (const [path, change] of changes(value as Record<string, unknown>))
      yield [`${name}.${path}`, (other) => ({ ...body, [name]: change(other) })];
  }
}

export interface StrangerOptions {
  /** Default: all requests. */
  readonly isMeant?: (request: HostileRequest) => boolean;
  /** How many requests are under way together; default 1. */
  readonly atOnce?: number;
  /** Whom they are sent to. Default: a dashboard of the application, mounted. */
  readonly ask?: Ask;
}

/** What a stranger could be glad of, after all requests that are meant. */
export async function stranger(
  app: App,
  { isMeant = () => true, atOnce = 1, ask = mounted(app) }: StrangerOptions = {},
): Promise<readonly string[]> {
  const requests = Object.keys(samples).flatMap((route) => [...hostileRequests(route)].filter(isMeant));
  const faults: string[] = [];
  const next = requests.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const request of next) faults.push(...(await faultsOf(request, ask)));
    }),
  );
  return faults;
}

export const quick: DashboardOptions = { inspectTimeout: 0.1 };

function mounted(app: App): Ask {
  return newDashboard(app, quick);
}

/** What the recorder and the pages ask workers by themselves. */
const questions = new Set([
  ...['active', 'active_queues', 'conf', 'enable_events', 'heartbeat', 'ping', 'registered'],
  ...['reload_pauses', 'reserved', 'revoked', 'scheduled', 'stats'],
]);

/** What a stranger could be glad of after requests that must be refused, among them what workers were told to do. */
export async function refused(
  app: App,
  options: Omit<StrangerOptions, 'isMeant'> = {},
): Promise<readonly string[]> {
  const broker = await app.broker();
  const told = vi.spyOn(broker.fanout, 'publish');
  const faults = await stranger(app, { ...options, isMeant: mustBeRefused });
  const orders = told.mock.calls
    .filter(([{ name }]) => name.endsWith('.pidbox'))
    .map(([, , { body }]) => String(JSON.parse(Buffer.from(body).toString()).method))
    .filter((method) => !questions.has(method));
  const paused = await app.queues.paused();
  const revoked = await broker.revocations.read();
  return [
    ...faults,
    ...orders.map((method) => `a worker was told '${method}'`),
    ...paused.map(({ name }) => `the queue ${name} is paused`),
    ...revoked.map((each) => `revoked: ${JSON.stringify(each)}`),
  ];
}

async function faultsOf(request: HostileRequest, ask: Ask): Promise<readonly string[]> {
  const { route, at, value, path, init } = request;
  const stop = new AbortController();
  if (route.endsWith('/live')) setImmediate(() => stop.abort());
  const shown = JSON.stringify(value)?.slice(0, 60);
  const answer = await Promise.race([
    ask(path, { ...init, signal: stop.signal }).catch((error: unknown) => String(error)),
    setTimeout(patienceMs, 'no answer', { ref: false }),
  ]);
  if (typeof answer === 'string') return stop.signal.aborted ? [] : [`${route}: ${at} = ${shown}: ${answer}`];
  const { status, headers, text } = answer;
  const faults: string[] = [];
  if (status >= 500) faults.push('an error of the server');
  if (headers.has('x-evil')) faults.push('a header of the stranger');
  if ('polluted' in {}) faults.push('a member of every object');
  if (path.startsWith('/api/v1/') && status >= 400 && !headers.get('content-type')?.includes('problem+json'))
    faults.push('no problem document');
  if (mustBeRefused(request) && status < 400) faults.push('it is taken');
  if ((status === 400 || status === 422) && mustBeRefused(request)) {
    const [name = ''] = at.match(/\w+$/) ?? [];
    const names = [name, name.replace(/_[a-z]/g, (each) => each.slice(1).toUpperCase())];
    const cannot = text.includes('this broker cannot keep schedules'); // RabbitMQ; it says so first
    if (!cannot && !names.some((each) => text.includes(each))) faults.push('the answer does not name it');
  }
  return faults.map((fault) => `${route}: ${at} = ${shown}: ${status}: ${fault}: ${text.slice(0, 200)}`);
}

/** What is missing, or has a NUL: no worker may hear of it. */
export function mustBeRefused({ route, at, value, isMissing }: HostileRequest): boolean {
  if (isMissing) return at !== 'the body' && !mayLack(route, at);
  return (value === '\0' || value === '%00') && !mayHaveNul.test(at);
}

/** A query of the history may ask for it. Flower's reader of parameters cuts white space, and `json` has no value. */
const mayHaveNul = /query$|^search$|^args$|^json$|^value$/;

function mayLack(route: string, at: string): boolean {
  return [samples[route] ?? []].flat().some(({ optional = [] }) => optional.includes(at));
}
