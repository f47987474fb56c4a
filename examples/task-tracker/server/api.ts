// The HTTP API.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { csrf } from 'hono/csrf';
import { createMiddleware } from 'hono/factory';
import { streamSSE } from 'hono/streaming';
import { cache, lifetimes } from './cache.ts';
import { scheduleCleanups } from './chores.ts';
import { database } from './database.ts';
import { mediaTypes } from './export.ts';
import { createRouter, type Env, type Handlers, refused, serveRoutes } from './http.ts';
import * as jobs from './jobs.ts';
import { listen, look } from './live.ts';
import { nudge } from './outbox.ts';
import type { JobRow } from './schema.ts';
import { settings } from './settings.ts';
import { routes } from './shapes.ts';
import { statisticsOf } from './statistics.ts';
import * as tasks from './tasks.ts';
import { app } from './umbel.ts';
import * as users from './users.ts';

export function createApi() {
  const api = createRouter();
  const origin = settings.corsOrigins;
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
    const user = token === undefined ? undefined : await users.userOf(token);
    if (user === undefined || token === undefined) throw refused(401, 'sign in first: POST /auth/login');
    context.set('user', user);
    context.set('token', token);
    await next();
  });
  for (const path of ['/auth/me', '/auth/logout', '/tasks', '/tasks/*', '/events']) api.use(path, signedIn);

  /** After each write: what it put into the outbox is sent, and open pages are told, both in the background. */
  const written = <T>(value: T): T => {
    nudge();
    void look();
    return value;
  };
  const cookie = { httpOnly: true, sameSite: 'Strict', secure: settings.secure, path: '/' } as const;

  const enter = async (context: Context<Env>, user: users.User) => {
    const token = await users.openSession(user.id);
    setCookie(context, 'session', token, { ...cookie, maxAge: users.sessionSeconds });
    return { ...shown(user), token };
  };
  const job = async (user: users.User, kind: JobRow['kind'], id: string): Promise<JobRow> => {
    const found = await jobs.findJob(user.id, kind, id);
    if (found === undefined) throw refused(404, `you have no such ${kind}`);
    return found;
  };
  const found = <T>(task: T | null | undefined | false): T => {
    if (!task) throw refused(404, 'you have no such task');
    return task;
  };

  const handlers: Handlers<typeof routes> = {
    async register({ body, context }) {
      const user = await users.register(body);
      if (user === undefined) throw refused(409, 'there is an account with this address');
      scheduleCleanups().catch(console.error); // the next hour tries again
      return enter(context, user);
    },
    async login({ body, context }) {
      const user = await users.login(body.email, body.password);
      if (user === undefined) throw refused(401, 'address or password are wrong');
      return enter(context, user);
    },
    async logout({ context }) {
      await users.closeSession(context.var.token);
      deleteCookie(context, 'session');
      return undefined;
    },
    me: ({ user }) => shown(user),
    async changeMe({ body, user }) {
      const changed = await users.changeUser(user, body);
      scheduleCleanups().catch(console.error); // the next hour tries again
      return shown(changed);
    },

    list: ({ query, user }) =>
      cache.remember(user, `list:${JSON.stringify(query)}`, lifetimes.list, () =>
        tasks.listTasks(user.id, query),
      ),
    create: async ({ body, user }) => written(await tasks.createTask(user.id, body)),
    statistics: ({ user }) => statisticsOf(user),
    task: async ({ params: { id }, user }) =>
      found(await cache.remember(user, `task:${id}`, lifetimes.task, () => tasks.findTask(user.id, id))),
    update: async ({ params, body, user }) =>
      written(found(await tasks.updateTask(user.id, params.id, body))),
    async remove({ params, user }) {
      written(found(await tasks.deleteTask(user.id, params.id)));
      return undefined;
    },

    beginExport: async ({ query, user }) => written(await jobs.beginExport(user.id, query.export_format)),
    exports: ({ user }) => jobs.exportsOf(user.id),
    exportStatus: async ({ params, user }) => jobs.exportStatus(await job(user, 'export', params.task_id)),
    async exportEvents({ params, user, context }) {
      const found = await job(user, 'export', params.task_id);
      return streamSSE(context, async (stream) => {
        const ending = new AbortController();
        stream.onAbort(() => ending.abort());
        for await (const status of jobs.watchExport(found, ending.signal))
          await stream.writeSSE({ event: 'status', data: JSON.stringify(status) });
      });
    },
    async exportFile({ params, user, context }) {
      const { content, created_at, detail } = await job(user, 'export', params.task_id);
      if (content === null) throw refused(404, 'this export is not done');
      const format = detail === 'csv' ? 'csv' : 'json';
      return context.body(content, 200, {
        'content-type': mediaTypes[format],
        'content-disposition': `attachment; filename="tasks-${created_at.slice(0, 10)}.${format}"`,
        'cache-control': 'private, no-store',
      });
    },
    beginBulk: async ({ body, user }) =>
      written(await jobs.beginBulkUpdate(user.id, body.task_ids, body.update_data)),
    bulkStatus: async ({ params, user }) => jobs.bulkStatus(await job(user, 'bulk', params.task_id)),

    events: ({ user, context }) =>
      streamSSE(context, async (stream) => {
        const stop = listen(user, (revision) => {
          void stream.writeSSE({ event: 'change', data: String(revision) });
        });
        stream.onAbort(stop);
        // So that nothing in between takes the connection for idle.
        for (; !stream.aborted; await stream.sleep(15_000)) await stream.write(':\n\n');
      }),
    async health({ context }) {
      const [databaseWorks, broker, cacheWorks] = await Promise.all([
        works(database.selectFrom('users').select('id').limit(1).execute()),
        works(app.ensureConnection({ timeout: 3 })),
        cache.status(),
      ]);
      const ok = databaseWorks && broker; // without the cache it is slower, and works
      const status = ok ? 'ok' : 'degraded';
      return context.json({ status, database: databaseWorks, broker, cache: cacheWorks }, ok ? 200 : 503);
    },
    cacheStatus: () => cache.status(),
  };
  serveRoutes(api, routes, handlers);

  const description = 'Sign in at `/auth/login`; programs send its token as `authorization: Bearer …`.';
  const info = { title: 'Task tracker', version: '0.1.0', description };
  api.doc31('/openapi.json', { openapi: '3.1.0', info, security: [{ token: [] }] });
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return api;
}

function shown({ id, email, name, timezone }: users.User) {
  return { id, email, name, timezone };
}

/** What does not answer within three seconds does not work. */
function works(asked: Promise<unknown>): Promise<boolean> {
  return Promise.race([asked.then(() => true).catch(() => false), sleep(3000, false, { ref: false })]);
}
