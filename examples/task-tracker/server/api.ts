// The HTTP API: what each route of routes.ts does.
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
import { routes } from './routes.ts';
import type { JobRow } from './schema.ts';
import { settings } from './settings.ts';
import { statisticsOf } from './statistics.ts';
import * as tasks from './tasks.ts';
import { app } from './umbel.ts';
import * as users from './users.ts';

export function createApi() {
  const api = createRouter();
  const origin = settings.CORS_ORIGINS;
  api.use(cors({ origin, allowHeaders: ['authorization', 'content-type'], exposeHeaders: ['location'] }));
  // Of the requests that browsers send without asking, those of other sites are refused: the cookie would come with them.
  const ownPages = csrf();
  api.use((context, next) => (context.req.header('authorization') ? next() : ownPages(context, next)));
  api.use(bodyLimit({ maxSize: 100_000 }));
  // After each write: what it put into the outbox is sent, and open pages are told, both in the background.
  api.use(async ({ req }, next) => {
    await next();
    if (req.method === 'GET') return;
    nudge();
    void look();
  });
  for (const path of ['/auth/me', '/auth/logout', '/tasks', '/tasks/*', '/events']) api.use(path, signedIn);
  serveRoutes(api, routes, handlers);

  const description = 'Sign in at `/auth/login`; programs send its token as `authorization: Bearer …`.';
  const info = { title: 'Task tracker', version: '0.1.0', description };
  api.doc31('/openapi.json', { openapi: '3.1.0', info, security: [{ token: [] }] });
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return api;
}

const signedIn = createMiddleware<Env>(async (context, next) => {
  const bearer = /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
  const token = bearer ?? getCookie(context, 'session');
  const user = token === undefined ? undefined : await users.userOf(token);
  if (user === undefined || token === undefined) throw refused(401, 'sign in first: POST /auth/login');
  context.set('user', user);
  context.set('token', token);
  await next();
});

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
    scheduleCleanups().catch(console.error); // as above
    return shown(changed);
  },

  list({ query, user }) {
    const load = () => tasks.listTasks(user.id, query);
    return cache.remember(user, `list:${JSON.stringify(query)}`, lifetimes.list, load);
  },
  create: ({ body, user }) => tasks.createTask(user.id, body),
  statistics: ({ user }) => statisticsOf(user),
  async task({ params: { id }, user }) {
    const load = () => tasks.findTask(user.id, id);
    return found('task', await cache.remember(user, `task:${id}`, lifetimes.task, load));
  },
  update: async ({ params, body, user }) => found('task', await tasks.updateTask(user.id, params.id, body)),
  async remove({ params, user }) {
    found('task', await tasks.deleteTask(user.id, params.id));
    return undefined;
  },

  beginExport: ({ query, user }) => jobs.beginExport(user.id, query.export_format),
  exports: ({ user }) => jobs.exportsOf(user.id),
  exportStatus: async (given) => jobs.exportStatus(await job('export', given)),
  async exportEvents(given) {
    const begun = await job('export', given);
    return streamSSE(given.context, async (stream) => {
      const ending = new AbortController();
      stream.onAbort(() => ending.abort());
      for await (const status of jobs.watchExport(begun, ending.signal))
        await stream.writeSSE({ event: 'status', data: JSON.stringify(status) });
    });
  },
  async exportFile(given) {
    const { content, created_at, detail } = await job('export', given);
    if (content === null) throw refused(404, 'this export is not done');
    const format = detail === 'csv' ? 'csv' : 'json';
    return given.context.body(content, 200, {
      'content-type': mediaTypes[format],
      'content-disposition': `attachment; filename="tasks-${created_at.slice(0, 10)}.${format}"`,
      'cache-control': 'private, no-store',
    });
  },
  beginBulk: ({ body, user }) => jobs.beginBulkUpdate(user.id, body.task_ids, body.update_data),
  bulkStatus: async (given) => jobs.bulkStatus(await job('bulk', given)),

  events: ({ user, context }) =>
    streamSSE(context, async (stream) => {
      const changed = (revision: number) => stream.writeSSE({ event: 'change', data: String(revision) });
      stream.onAbort(listen(user, (revision) => void changed(revision)));
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

async function enter(context: Context<Env>, user: users.User) {
  const token = await users.openSession(user.id);
  const cookie = { httpOnly: true, sameSite: 'Strict', secure: settings.SECURE, path: '/' } as const;
  setCookie(context, 'session', token, { ...cookie, maxAge: users.sessionDays * 86_400 });
  return { ...shown(user), token };
}

function shown({ id, email, name, timezone }: users.User) {
  return { id, email, name, timezone };
}

type OfJob = { readonly user: users.User; readonly params: { readonly task_id: string } };

async function job(kind: JobRow['kind'], { user, params }: OfJob): Promise<JobRow> {
  return found(kind, await jobs.findJob(user.id, kind, params.task_id));
}

function found<T>(what: string, value: T | null | undefined | false): T {
  if (!value) throw refused(404, `you have no such ${what}`);
  return value;
}

/** What does not answer within three seconds does not work. */
function works(asked: Promise<unknown>): Promise<boolean> {
  return Promise.race([asked.then(() => true).catch(() => false), sleep(3000, false, { ref: false })]);
}
