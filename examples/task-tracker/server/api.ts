// The HTTP API.
import { z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { csrf } from 'hono/csrf';
import { createMiddleware } from 'hono/factory';
import { streamSSE } from 'hono/streaming';
import type { App } from 'umbel';
import { type Cache, keys, lifetimes } from './cache.ts';
import { scheduleCleanups } from './chores.ts';
import { change, type Database } from './database.ts';
import { mediaTypes } from './export.ts';
import { createRouter, type Env, refused } from './http.ts';
import {
  beginBulkUpdate,
  beginExport,
  bulkStatus,
  exportStatus,
  exportsOf,
  findJob,
  watchExport,
} from './jobs.ts';
import type { Live } from './live.ts';
import type { Relay } from './outbox.ts';
import type { JobRow } from './schema.ts';
import { settings } from './settings.ts';
import * as shapes from './shapes.ts';
import { statisticsOf } from './statistics.ts';
import { createTask, deleteTask, findTask, listTasks, updateTask } from './tasks.ts';
import { closeSession, login, openSession, register, sessionSeconds, type User, userOf } from './users.ts';

interface Parts {
  readonly app: App;
  readonly database: Database;
  readonly cache: Cache;
  readonly relay: Relay;
  readonly live: Live;
}

export function createApi({ app, database, cache, relay, live }: Parts) {
  const { api, route } = createRouter();
  const origin = [...settings.corsOrigins];
  api.use(cors({ origin, allowHeaders: ['authorization', 'content-type'], exposeHeaders: ['location'] }));
  // Of the requests that browsers send without asking, those of other sites are refused: the cookie would come with them.
  const ownPages = csrf();
  api.use((context, next) => (context.req.header('authorization') ? next() : ownPages(context, next)));

  api.use(
    bodyLimit({
      maxSize: 100_000,
      onError() {
        throw refused(413, 'the body is larger than 100 kB');
      },
    }),
  );

  const signedIn = createMiddleware<Env>(async (context, next) => {
    const bearer = /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    const token = bearer ?? getCookie(context, 'session');
    const user = token === undefined ? undefined : await userOf(database, token);
    if (user === undefined || token === undefined) throw refused(401, 'sign in first: POST /auth/login');
    context.set('user', user);
    context.set('token', token);
    await next();
  });
  for (const path of ['/auth/me', '/auth/logout', '/tasks', '/tasks/*', '/events']) api.use(path, signedIn);

  /** After each write: what it put into the outbox is sent, and open pages are told, both in the background. */
  const written = <T>(value: T): T => {
    relay.nudge();
    void live.look();
    return value;
  };
  const cleanups = () =>
    scheduleCleanups(database, app).catch((error: unknown) => console.error(`cleanups: ${error}`)); // the next hour tries again
  const cookie = {
    httpOnly: true,
    sameSite: 'Strict',
    secure: settings.secure,
    path: '/',
    maxAge: sessionSeconds,
  } as const;

  route(
    'post',
    '/auth/register',
    'Make an account',
    { body: shapes.Registration, status: 201 },
    shapes.Session,
    async ({ body, context }) => {
      const user = await register(database, body);
      if (user === undefined) throw refused(409, 'there is an account with this address');
      await cleanups();
      const token = await openSession(database, user.id);
      setCookie(context, 'session', token, cookie);
      return { ...shown(user), token };
    },
  );
  route(
    'post',
    '/auth/login',
    'Sign in: a cookie for browsers, a token for programs',
    { body: shapes.Login },
    shapes.Session,
    async ({ body, context }) => {
      const token = await login(database, body.email, body.password);
      const user = token === undefined ? undefined : await userOf(database, token);
      if (token === undefined || user === undefined) throw refused(401, 'address or password are wrong');
      setCookie(context, 'session', token, cookie);
      return { ...shown(user), token };
    },
  );
  route('post', '/auth/logout', 'Sign out', {}, null, async ({ context }) => {
    await closeSession(database, context.var.token);
    deleteCookie(context, 'session');
    return undefined;
  });
  route('get', '/auth/me', 'Who you are', {}, shapes.User, ({ user }) => shown(user));
  route(
    'patch',
    '/auth/me',
    'Change your name or time zone',
    { body: shapes.Profile },
    shapes.User,
    async ({ body, user }) => {
      const { name = user.name, timezone = user.timezone } = body;
      await change(database, user.id, (writing) =>
        writing.updateTable('users').set({ name, timezone }).where('id', '=', user.id).execute(),
      );
      await cleanups();
      return shown({ ...user, name, timezone });
    },
  );

  route('get', '/tasks', 'Your tasks', { query: shapes.TaskQuery }, shapes.TaskPage, ({ query, user }) =>
    cache.remember(keys.list(user, query), lifetimes.list, () => listTasks(database, user.id, query)),
  );
  route(
    'post',
    '/tasks',
    'A new task; with a deadline you are reminded a day before',
    { body: shapes.NewTask, status: 201 },
    shapes.Task,
    async ({ body, user }) => written(await createTask(database, user.id, body)),
  );
  route('get', '/tasks/statistics', 'Your tasks as numbers', {}, shapes.Statistics, ({ user }) =>
    statisticsOf(database, cache, user),
  );

  const job = async (user: User, kind: JobRow['kind'], id: string): Promise<JobRow> => {
    const found = await findJob(database, user.id, kind, id);
    if (found === undefined) throw refused(404, `you have no such ${kind}`);
    return found;
  };
  const ofJob = z.object({ task_id: z.string() });
  route(
    'post',
    '/tasks/export',
    'Begin an export',
    { query: shapes.ExportQuery, status: 202 },
    shapes.Export,
    async ({ query, user }) => written(await beginExport(database, user.id, query.export_format)),
  );
  route('get', '/tasks/exports', 'Your exports, the latest first', {}, z.array(shapes.Export), ({ user }) =>
    exportsOf(database, user.id),
  );
  route(
    'get',
    '/tasks/export-status/{task_id}',
    'How far an export is',
    { params: ofJob },
    shapes.Export,
    async ({ params, user }) => exportStatus(await job(user, 'export', params.task_id)),
  );
  api.get('/tasks/export-events/:id', async (context) => {
    const found = await job(context.var.user, 'export', context.req.param('id'));
    return streamSSE(context, async (stream) => {
      for await (const status of watchExport(database, found, aborted(stream)))
        await stream.writeSSE({ event: 'status', data: JSON.stringify(status) });
    });
  });
  api.get('/tasks/export-download/:id', async (context) => {
    const { content, created_at, detail } = await job(context.var.user, 'export', context.req.param('id'));
    if (content === null) throw refused(404, 'this export is not done');
    const format = detail === 'csv' ? 'csv' : 'json';
    return context.body(content, 200, {
      'content-type': mediaTypes[format],
      'content-disposition': `attachment; filename="tasks-${created_at.slice(0, 10)}.${format}"`,
      'cache-control': 'private, no-store',
    });
  });

  route(
    'post',
    '/tasks/bulk-update',
    'Change many tasks at once, each by a task of its own',
    { body: shapes.BulkUpdate, status: 202 },
    shapes.BulkResult,
    async ({ body, user }) =>
      written(await beginBulkUpdate(database, user.id, body.task_ids, body.update_data)),
  );
  route(
    'get',
    '/tasks/bulk-update/{task_id}',
    'What became of each task',
    { params: ofJob },
    shapes.BulkResult,
    async ({ params, user }) => bulkStatus(await job(user, 'bulk', params.task_id)),
  );

  const one = z.object({ id: z.coerce.number().int().positive() });
  const found = <T>(task: T | null | undefined | false): T => {
    if (!task) throw refused(404, 'you have no such task');
    return task;
  };
  route('get', '/tasks/{id}', 'A task', { params: one }, shapes.Task, async ({ params: { id }, user }) =>
    found(await cache.remember(keys.task(user, id), lifetimes.task, () => findTask(database, user.id, id))),
  );
  route(
    'patch',
    '/tasks/{id}',
    'Change a task',
    { params: one, body: shapes.TaskChanges },
    shapes.Task,
    async ({ params, body, user }) => written(found(await updateTask(database, user.id, params.id, body))),
  );
  route('delete', '/tasks/{id}', 'Delete a task', { params: one }, null, async ({ params, user }) => {
    written(found(await deleteTask(database, user.id, params.id)));
    return undefined;
  });

  api.get('/events', (context) =>
    streamSSE(context, async (stream) => {
      const left = new Promise<void>((resolve) => stream.onAbort(resolve));
      const stop = live.listen(context.var.user, (revision) => {
        void stream.writeSSE({ event: 'change', data: String(revision) });
      });
      const beat = () => void stream.write(':\n\n'); // so that nothing in between takes the connection for idle
      beat();
      const timer = setInterval(beat, 15_000);
      await left;
      clearInterval(timer);
      stop();
    }),
  );

  route('get', '/health', 'Whether it works', {}, shapes.Health, async ({ context }) => {
    const late = AbortSignal.timeout(3000); // what does not answer by then does not work
    const works = (asked: Promise<unknown>): Promise<boolean> =>
      Promise.race([
        asked.then(
          () => true,
          () => false,
        ),
        new Promise<false>((resolve) => late.addEventListener('abort', () => resolve(false))),
      ]);
    const [databaseWorks, broker, cacheWorks] = await Promise.all([
      works(database.selectFrom('users').select('id').limit(1).execute()),
      works(app.broker().then((it) => it.queues())),
      cache.status(),
    ]);
    const ok = databaseWorks && broker; // without the cache it is slower, and works
    const status = ok ? ('ok' as const) : ('degraded' as const);
    return context.json({ status, database: databaseWorks, broker, cache: cacheWorks }, ok ? 200 : 503);
  });
  route('get', '/cache/status', 'Whether the cache works', {}, shapes.CacheStatus, () => cache.status());

  const description = 'Sign in at `/auth/login`; programs send its token as `authorization: Bearer …`.';
  const info = { title: 'Task tracker', version: '0.1.0', description };
  api.doc31('/openapi.json', { openapi: '3.1.0', info, security: [{ token: [] }] });
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return api;
}

function shown({ id, email, name, timezone }: User) {
  return { id, email, name, timezone };
}

function aborted(stream: { onAbort(listener: () => void): void }): AbortSignal {
  const controller = new AbortController();
  stream.onAbort(() => controller.abort());
  return controller.signal;
}
