// The document of the API of the pages: each route is in it, and what the routes answer matches it.
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { chord } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { summaries } from '../../src/dashboard/server/pages/api-routes.ts';
import { every } from '../../src/schedules/every.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { type Ask, newDashboard } from './bench.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<
    Record<string, { readonly content?: Record<string, { readonly schema: object }> }>
  >;
}

interface Document {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const documentOf = async (ask: Ask, prefix = ''): Promise<Document> =>
  (await ask(`${prefix}/api/v1/openapi.json`)).body as Document;

/** `GET /tasks/:id`, as the routes have it. */
const keysOf = ({ paths }: Document): string[] =>
  Object.entries(paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`),
  );

test('the document is valid, has each route once, and an answer for each', async () => {
  const app = await newApp('memory');
  const document = await documentOf(newDashboard(app));
  const { valid, errors } = await new Validator().validate({ ...document });
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  const routes = Object.keys(summaries).map((key) => key.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}'));
  expect(keysOf(document).sort()).toEqual([...new Set(routes)].sort());
  const operations = Object.values(document.paths).flatMap((verbs) => Object.values(verbs));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { operationId, responses } of operations) {
    if (operationId === 'get.live') continue;
    const answers = Object.entries(responses).filter(([status]) => /^2/.test(status));
    expect(answers.length, operationId).toBeGreaterThan(0);
    for (const [, { content }] of answers)
      expect(Object.keys(content?.['application/json']?.schema ?? {}), operationId).not.toEqual([]);
  }
});

test('it says what each route takes, who may ask, and where it is', async () => {
  const app = await newApp('memory');
  const ask = newDashboard(app, { urlPrefix: '/flower', basicAuth: ['ann:secret'] });
  expect((await ask('/flower/api/v1/openapi.json')).status).toBe(401);
  const login = `Basic ${Buffer.from('ann:secret').toString('base64')}`;
  const { body } = await ask('/flower/api/v1/openapi.json', { headers: { authorization: login } });
  expect(body).toMatchObject({
    servers: [{ url: '/flower/api/v1' }],
    security: [{ basic: [] }],
    paths: {
      '/tasks': {
        get: { parameters: [{ name: 'query' }, { name: 'sort' }, { name: 'limit' }, { name: 'after' }] },
      },
      '/schedules/{name}/{verb}': {
        post: {
          description: expect.stringContaining('operator'),
          parameters: [
            { name: 'name', in: 'path' },
            { name: 'verb', schema: { enum: ['pause', 'resume'] } },
            { name: 'reason' },
          ],
          responses: { 403: {} },
        },
      },
      '/waiting/purge': {
        post: {
          description: expect.stringContaining('admin'),
          requestBody: {
            content: {
              'application/json': {
                schema: { required: ['from'], properties: { dryRun: { type: 'boolean' } } },
              },
            },
          },
        },
      },
    },
  });
});

test('what the routes answer matches the document', async () => {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  const ids = await busy(app);
  const ask = newDashboard(app);
  await startWorker(app, { taskEvents: true });
  await until(async () => (await app.history.status()).recordedUntil !== null, 'a recorder to listen');
  const failed = await ids();
  await until(async () => (await app.history.get(failed))?.state === 'FAILURE', 'the failure to be known');
  const document = await documentOf(ask);
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const wrong: string[] = [];
  const call = async (
    method: string,
    route: string,
    values: Record<string, string> = {},
    body?: unknown,
  ): Promise<void> => {
    const path = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
    const query = values.query === undefined ? '' : `?${values.query}`;
    const answer = await ask(`/api/v1${path}${query}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
    const operation = document.paths[route]?.[method.toLowerCase()];
    const schema = operation?.responses[answer.status]?.content?.['application/json']?.schema;
    if (schema === undefined) {
      wrong.push(`${method} ${path}: ${answer.status} ${answer.text}`);
      return;
    }
    const matches = ajv.compile(schema);
    if (!matches(answer.body)) wrong.push(`${method} ${path}: ${ajv.errorsText(matches.errors)}`);
  };
  // The first question makes the dashboard ask its workers.
  await call('GET', '/doctor/tasks');
  await call('GET', '/workers/{name}', { name: 'celery@here' });
  await until(async () => {
    const { body } = await ask('/api/v1/doctor/tasks');
    return (body as { groups: unknown[] }).groups.length > 0;
  }, 'the workers to reply');
  for (const route of [
    '/me',
    '/overview',
    '/tasks',
    '/tasks/counts',
    '/tasks/names',
    '/tasks/values',
    '/failures',
    '/workers',
    '/queues',
    '/doctor',
    '/doctor/tasks',
    '/audit',
    '/limits',
    '/locks',
    '/schedules',
    '/schedules/calendar',
    '/jobs',
    '/restart',
    '/dead',
  ])
    await call('GET', route);
  await call('GET', '/tasks', { query: 'query=state:failure&limit=1' });
  await call('GET', '/tasks/{id}', { id: failed });
  await call('GET', '/tasks/{id}/why', { id: failed });
  await call('GET', '/workflows/{id}', { id: failed });
  await call('GET', '/workers/{name}', { name: 'celery@here' });
  await call('GET', '/queues/{name}/waiting', { name: 'later' });
  await call('GET', '/queues/{name}/held', { name: 'celery' });
  await call('GET', '/dead/{id}', { id: '1' });
  await call('GET', '/chords/{id}', { id: failed });
  await call('GET', '/schedules/{name}/runs', { name: 'pulse' });
  await call('POST', '/tasks/send', {}, { name: 'shop.add', args: [1, 2] });
  await call('POST', '/tasks/revoke', {}, { ids: ['nothing'] });
  await call('POST', '/tasks/{id}/retry', { id: failed }, {});
  await call('POST', '/control', {}, { workers: null, order: { action: 'enable_events' } });
  await call('POST', '/queues/{name}/pause', { name: 'later', query: 'reason=tests' });
  await call('GET', '/queues');
  await call('POST', '/queues/{name}/resume', { name: 'later' });
  await call('POST', '/waiting/move', {}, { from: 'later', to: 'else' });
  await call('POST', '/waiting/purge', {}, { from: 'else', dryRun: true });
  await call('POST', '/waiting/promote', {}, { which: { query: 'name:shop.add' } });
  await call('POST', '/waiting/reschedule', {}, { which: { ids: ['nothing'] }, changes: { priority: 3 } });
  await call('POST', '/jobs', {}, { query: 'state:failure' });
  await call('POST', '/schedules/{name}/run', { name: 'pulse' });
  await call('POST', '/schedules/{name}/{verb}', { name: 'pulse', verb: 'pause' });
  await call('POST', '/restart/stop');
  await call('POST', '/dead/replay', {}, { ids: [1] });
  await call('GET', '/audit');
  expect(wrong).toEqual([]);
});

/** Tasks of each kind: what sends them, and returns the id of one that fails. */
async function busy(app: App): Promise<() => Promise<string>> {
  const add = app.task('shop.add', (a: number, b: number) => a + b);
  const sum = app.task('shop.sum', (all: readonly number[]) => all.length);
  const fail = app.task('shop.fail', () => {
    throw new TypeError('no');
  });
  const refuse = app.task('shop.refuse', () => {
    throw new Reject('not today');
  });
  app.task('shop.limited', { concurrency: { limit: 2, key: 0 } }, () => undefined);
  app.schedule('pulse', every('1h'), add.s(1, 2));
  return async () => {
    await add.applyAsync([1, 2], { queue: 'later' });
    await add.applyAsync([1, 2], { countdown: 3600 });
    await refuse.delay();
    await (await chord([add.s(1, 2), add.s(3, 4)], sum.s()).delay()).get(patience);
    const failing = await fail.delay();
    await failing.get({ ...patience, propagate: false });
    await until(async () => (await app.deadLetters.count()) === 1, 'the dead letter');
    return failing.id;
  };
}
