// The HTTP API.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { csrf } from 'hono/csrf';
import { createMiddleware } from 'hono/factory';
import { streamSSE } from 'hono/streaming';
import type { App } from 'umbel';
import { type Cache, lifetimes } from './cache.ts';
import { scheduleCleanups } from './chores.ts';
import type { Database } from './database.ts';
import { mediaTypes } from './export.ts';
import { createRouter, type Env, type Handlers, refused, serveRoutes } from './http.ts';
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
import { isJobId, routes } from './shapes.ts';
import { statisticsOf } from './statistics.ts';
import { createTask, deleteTask, findTask, listTasks, updateTask } from './tasks.ts';
import {
  changeUser,
  closeSession,
  login,
  openSession,
  register,
  sessionSeconds,
  type User,
  userOf,
} from './users.ts';

interface Parts {
  readonly app: App;
  readonly database: Database;
  readonly cache: Cache;
  readonly relay: Relay;
  readonly live: Live;
}

export function createApi({ app, database, cache, relay, live }: Parts) {
  const api = createRouter();
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

  const enter = async (context: Context<Env>, user: User) => {
    const token = await openSession(database, user.id);
    setCookie(context, 'session', token, cookie);
    return { ...shown(user), token };
  };
  const job = async (user: User, kind: JobRow['kind'], id: string): Promise<JobRow> => {
    const found = isJobId(id) ? await findJob(database, user.id, kind, id) : undefined;
    if (found === undefined) throw refused(404, `you have no such ${kind}`);
    return found;
  };
  const found = <T>(task: T | null | undefined | false): T => {
    if (!task) throw refused(404, 'you have no such task');
    return task;
  };

  const handlers: Handlers<typeof routes> = {
    async register({ body, context }) {
      const user = await register(database, body);
      if (user === undefined) throw refused(409, 'there is an account with this address');
      await cleanups();
      return enter(context, user);
    },
    async login({ body, context }) {
      const user = await login(database, body.email, body.password);
      if (user === undefined) throw refused(401, 'address or password are wrong');
      return enter(context, user);
    },
    async logout({ context }) {
      await closeSession(database, context.var.token);
      deleteCookie(context, 'session');
      return undefined;
    },
    me: ({ user }) => shown(user),
    async changeMe({ body, user }) {
      const changed = await changeUser(database, user, body);
      await cleanups();
      return shown(changed);
    },

    list: ({ query, user }) =>
      cache.remember(user, `list:${JSON.stringify(query)}`, lifetimes.list, () =>
        listTasks(database, user.id, query),
      ),
    create: async ({ body, user }) => written(await createTask(database, user.id, body)),
    statistics: ({ user }) => statisticsOf(database, cache, user),
    task: async ({ params: { id }, user }) =>
      found(await cache.remember(user, `task:${id}`, lifetimes.task, () => findTask(database, user.id, id))),
    update: async ({ params, body, user }) =>
      written(found(await updateTask(database, user.id, params.id, body))),
    async remove({ params, user }) {
      written(found(await deleteTask(database, user.id, params.id)));
      return undefined;
    },

    beginExport: async ({ query, user }) =>
      written(await beginExport(database, user.id, query.export_format)),
    exports: ({ user }) => exportsOf(database, user.id),
    exportStatus: async ({ params, user }) => exportStatus(await job(user, 'export', params.task_id)),
    beginBulk: async ({ body, user }) =>
      written(await beginBulkUpdate(database, user.id, body.task_ids, body.update_data)),
    bulkStatus: async ({ params, user }) => bulkStatus(await job(user, 'bulk', params.task_id)),

    async health({ context }) {
      const [databaseWorks, broker, cacheWorks] = await Promise.all([
        works(database.selectFrom('users').select('id').limit(1).execute()),
        works(app.broker().then((it) => it.queues())),
        cache.status(),
      ]);
      const ok = databaseWorks && broker; // without the cache it is slower, and works
      const status = ok ? 'ok' : 'degraded';
      return context.json({ status, database: databaseWorks, broker, cache: cacheWorks }, ok ? 200 : 503);
    },
    cacheStatus: () => cache.status(),
  };
  serveRoutes(api, routes, handlers);

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
  api.get('/events', (context) =>
    streamSSE(context, async (stream) => {
      const stop = live.listen(context.var.user, (revision) => {
        void stream.writeSSE({ event: 'change', data: String(revision) });
      });
      stream.onAbort(stop);
      // So that nothing in between takes the connection for idle.
      for (; !stream.aborted; await stream.sleep(15_000)) await stream.write(':\n\n');
    }),
  );

  const description = 'Sign in at `/auth/login`; programs send its token as `authorization: Bearer …`.';
  const info = { title: 'Task tracker', version: '0.1.0', description };
  api.doc31('/openapi.json', { openapi: '3.1.0', info, security: [{ token: [] }] });
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return api;
}

function shown({ id, email, name, timezone }: User) {
  return { id, email, name, timezone };
}

/** What does not answer within three seconds does not work. */
function works(asked: Promise<unknown>): Promise<boolean> {
  const answered = asked.then(
    () => true,
    () => false,
  );
  return Promise.race([answered, sleep(3000, false, { ref: false })]);
}

function aborted(stream: { onAbort(listener: () => void): void }): AbortSignal {
  const controller = new AbortController();
  stream.onAbort(() => controller.abort());
  return controller.signal;
}
