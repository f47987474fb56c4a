// The API of the pages. The browser's client imports its types.
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import {
  BrokerUnavailable,
  CannotChangeWaitingError,
  CannotPauseError,
  CannotReleaseError,
  ChordRepairError,
  ConfigError,
  QuerySyntaxError,
  RetryJobError,
  StoreError,
  UnknownScheduleError,
} from '../../../errors.ts';
import { Problem } from '../../../http/problem.ts';
import { version } from '../../../lib/version.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs, needsToRead } from '../roles.ts';
import { type Right, rightsOf, type User } from '../users.ts';
import { actionReason, checked, checkedPath, plainName } from './checked.ts';
import { chordRoutes } from './chord-routes.ts';
import { changeDeadLetters, deadLetterFilter, listDeadLetters, showDeadLetter } from './dead-letters.ts';
import { Doctor } from './doctor.ts';
import { groupFailures } from './failures.ts';
import { heldMessages } from './held.ts';
import { jobRoutes } from './job-routes.ts';
import { heldLock, releaseLock, showLimits, showLocks } from './limits.ts';
import { LiveFeed } from './live-feed.ts';
import { liveStream } from './live-stream.ts';
import { taskMatrix } from './matrix.ts';
import { brokerProblem, overview } from './overview.ts';
import { soon } from './part.ts';
import { pauseQueue, peekQueue, QueueWatch, queueName, resumeQueue, waitingFilter } from './queues.ts';
import { restartRoutes } from './restart-routes.ts';
import { scheduleRoutes } from './schedule-routes.ts';
import { StoresHealth } from './stores-health.ts';
import { countTasks, listTasks, revokeTasks, showTask, showWorkflow } from './tasks.ts';
import { waitingRoutes } from './waiting-routes.ts';
import { WorkerDetails } from './worker-details.ts';
import { listWorkers, orderWorkers, rightFor, workerOrder } from './workers.ts';

const query = z.string().max(2_048).default('');
const taskId = plainName(512);
const workerName = plainName(512);

const taskList = z.object({
  query,
  sort: z.string().max(50).default('-seen'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z.string().max(1_000).optional(),
});
const deadList = deadLetterFilter.extend({ before: z.coerce.number().int().min(1).optional() });
const auditList = z.object({ before: z.coerce.number().int().min(1).optional() });
const doctorVisit = z.object({ again: z.enum(['true', 'false']).default('false') });
/** The bytes of a request's body: the arguments of a task that is run again, or a thousand ids. */
const maxBodySize = 1024 * 1024;
/** Entries of a page of the audit log. */
const auditLimit = 50;
const failureWindow = z.object({ hours: z.enum(['1', '24', '168']).default('24') });
const revocation = z.object({
  ids: z.array(taskId).min(1).max(1_000),
  terminate: z.boolean().default(false),
  signal: z
    .string()
    .regex(/^SIG[A-Z0-9]{2,10}$/)
    .default('SIGTERM'),
});
/** Missing fields keep the values of the original call. */
const retryChanges = z.object({
  args: z.array(z.unknown()).optional(),
  kwargs: z.record(z.string(), z.unknown()).optional(),
  queue: plainName(255).optional(),
});
const newTask = z.object({
  name: plainName(512),
  args: z.array(z.unknown()).default([]),
  kwargs: z.record(z.string(), z.unknown()).default({}),
  queue: plainName(255).optional(),
  /** Seconds. */
  countdown: z.number().min(0).max(31_536_000).optional(),
});
const heldTask = z.object({ id: taskId });
const order = z.object({ workers: z.array(workerName).min(1).max(1_000).nullable(), order: workerOrder });
const letterIds = z.object({ ids: z.array(z.number().int().min(1)).min(1).max(1_000) });

/** Mounted at `<prefix>/api/v1`, behind the login. */
export function pageRoutes(context: DashboardContext) {
  const { app, control, cluster, fleet, settings } = context;
  const workers = new WorkerDetails(cluster, { control, fleet });
  const queues = new QueueWatch(app, fleet, cluster);
  const doctor = new Doctor(app);
  const health = new StoresHealth(app, settings.brokerApi);
  const feed = new LiveFeed(cluster, () => brokerProblem(app));
  context.onClose(context.onEvent((event) => feed.add(event)));
  // Before anybody looks: 20,000 tasks of the last hour take seconds. The overview tries again what fails here.
  void context.firstAttempt
    .then(() => (context.closing.aborted ? undefined : feed.loadHistory(app.history)))
    .catch(() => undefined);
  const may = (...any: Right[]) => needs(any, context);
  const reason = checked('query', actionReason);
  const routes = new Hono<DashboardEnv>();
  // Known errors of the request or the cluster become problem documents with their message.
  routes.onError((error, c) => {
    throw explained(error, c.req.query('after'));
  });
  const limitBody = bodyLimit({
    maxSize: maxBodySize,
    onError: () => {
      throw new Problem(413, `the body is larger than ${maxBodySize} bytes`);
    },
  });
  routes.use(checkedPath);
  // No DELETE reads a body. Over HTTP it has an empty one of unknown length, which the limit cannot put back.
  routes.use((c, next) => (c.req.method === 'DELETE' ? next() : limitBody(c, next)));
  return routes
    .get('/me', ({ json, var: { user, hasSession } }) =>
      json({
        user: user.name,
        role: user.role,
        rights: rightsOf(user),
        hasSession,
        readOnly: settings.readOnly,
        version,
        app: app.name,
      }),
    )
    .get('/overview', async (c) => c.json(await overview({ app, cluster, fleet, queues, feed, health })))
    .get('/live', (c) => liveStream(c, feed, queues, context.closing))
    .get('/tasks', checked('query', taskList), async (c) => {
      const { query: text, sort, limit, after } = c.req.valid('query');
      return c.json(await listTasks(app, text, { sort, limit, ...(after !== undefined && { after }) }));
    })
    .get('/tasks/counts', checked('query', z.object({ query })), async (c) =>
      c.json(await countTasks(app, c.req.valid('query').query)),
    )
    .get('/tasks/names', async (c) => {
      const names = await app.history.countsBy('name', '', 200);
      return c.json({ names: names.flatMap(([name]) => name ?? []) });
    })
    .get('/tasks/values', async (c) => {
      const valuesOf = async (field: 'queue' | 'worker'): Promise<readonly string[]> =>
        (await app.history.countsBy(field, '', 50)).flatMap(([value]) => value ?? []);
      return c.json({ queue: await valuesOf('queue'), worker: await valuesOf('worker') });
    })
    .post('/tasks/send', may('send'), reason, checked('json', newTask), async (c) => {
      const { name, args, kwargs, queue, countdown } = c.req.valid('json');
      await soon(app.broker());
      await c.var.audit('task.send', name, c.req.valid('query').reason);
      const options = { kwargs, ...(queue && { queue }), ...(countdown && { countdown }) };
      return c.json({ id: (await app.send(name, args, options)).id });
    })
    .post('/tasks/revoke', may('revoke'), reason, checked('json', revocation), async (c) => {
      const { ids, terminate, signal } = c.req.valid('json');
      await c.var.audit(
        terminate ? 'task.terminate' : 'task.revoke',
        ids.join(' '),
        c.req.valid('query').reason,
      );
      return c.json(await revokeTasks(control, ids, { terminate, signalName: signal }));
    })
    .post('/tasks/:id/retry', may('retry'), reason, checked('json', retryChanges), async (c) => {
      const id = c.req.param('id');
      await c.var.audit('task.retry', id, c.req.valid('query').reason);
      const { args, kwargs, queue } = c.req.valid('json');
      const changes = { ...(args && { args }), ...(kwargs && { kwargs }), ...(queue && { queue }) };
      return c.json({ id: (await app.history.retry(id, changes)).id });
    })
    .get('/tasks/:id/why', async (c) => {
      const { text, kind } = await control.why(c.req.param('id'), { signal: c.req.raw.signal });
      return c.json({ text, kind });
    })
    .get('/tasks/:id', async (c) => {
      const id = c.req.param('id');
      return c.json(found(await showTask(app, id), `the history has no task ${id}`));
    })
    .get('/workflows/:id', async (c) => c.json(await showWorkflow(app, c.req.param('id'))))
    .get('/failures', checked('query', failureWindow), async (c) =>
      c.json(await groupFailures(app, Number(c.req.valid('query').hours))),
    )
    .get('/workers', (c) => c.json(listWorkers(cluster, fleet)))
    .get('/workers/:name', (c) => {
      const name = c.req.param('name');
      return c.json(
        found(workers.show(name), `there is no known worker ${name}, and no worker of this name answers`),
      );
    })
    .post('/control', may('events', 'workers', 'shutdown'), reason, checked('json', order), async (c) => {
      const { workers: names, order: command } = c.req.valid('json');
      await may(rightFor(command))(c, async () => undefined);
      await c.var.audit(
        `worker.${command.action}`,
        names?.join(' ') ?? 'all workers',
        c.req.valid('query').reason,
      );
      const outcome = await orderWorkers(control, names, command);
      fleet.forget();
      workers.forget();
      return c.json(outcome);
    })
    .get('/queues', async (c) => c.json(await soon(queues.list())))
    .get('/queues/:name/waiting', checked('param', queueName), checked('query', waitingFilter), async (c) =>
      c.json(await peekQueue(app, c.req.valid('param').name, c.req.valid('query'))),
    )
    .get('/queues/:name/held', checked('param', queueName), async (c) =>
      c.json(await heldMessages(app, fleet, c.req.valid('param').name)),
    )
    .post(
      '/queues/:name/release',
      may('release'),
      checked('param', queueName),
      reason,
      checked('json', heldTask),
      async (c) => {
        const { name } = c.req.valid('param');
        const { id } = c.req.valid('json');
        await c.var.audit('task.release', `${id} in ${name}`, c.req.valid('query').reason);
        const released = await app.queues.release(name, id);
        fleet.forget();
        return c.json({ released });
      },
    )
    .post('/queues/:name/pause', may('pause'), checked('param', queueName), reason, async (c) => {
      const { name } = c.req.valid('param');
      const { reason: why = '' } = c.req.valid('query');
      await c.var.audit('queue.pause', name, why);
      const outcome = await pauseQueue(control, name, { by: nameOf(c.var.user), reason: why });
      queues.forget();
      return c.json(outcome);
    })
    .post('/queues/:name/resume', may('pause'), checked('param', queueName), reason, async (c) => {
      const { name } = c.req.valid('param');
      await c.var.audit('queue.resume', name, c.req.valid('query').reason);
      const outcome = await resumeQueue(control, name);
      queues.forget();
      return c.json(outcome);
    })
    .get('/doctor', needsToRead('doctor'), checked('query', doctorVisit), (c) =>
      c.json(doctor.report(c.req.valid('query').again === 'true')),
    )
    .get('/doctor/tasks', needsToRead('doctor'), async (c) =>
      c.json(await taskMatrix(app, { cluster, fleet })),
    )
    .get('/audit', needsToRead('audit'), checked('query', auditList), async (c) => {
      const { before = null } = c.req.valid('query');
      return c.json(await soon(context.auditLog.list({ limit: auditLimit, before })));
    })
    .get('/limits', async (c) => c.json(await soon(showLimits(app, fleet))))
    .get('/locks', async (c) => c.json(await soon(showLocks(app))))
    .post('/locks/release', may('locks'), reason, checked('json', heldLock), async (c) => {
      const lock = c.req.valid('json');
      await c.var.audit('lock.release', lock.key, c.req.valid('query').reason);
      return c.json(await releaseLock(app, lock));
    })
    .route('/schedules', scheduleRoutes(context))
    .route('/waiting', waitingRoutes(context))
    .route('/jobs', jobRoutes(context))
    .route('/chords', chordRoutes(context))
    .route('/restart', restartRoutes(context))
    .get('/dead', checked('query', deadList), async (c) => {
      const { before = null, ...filter } = c.req.valid('query');
      return c.json(await soon(listDeadLetters(app, filter, before)));
    })
    .get('/dead/:id{[0-9]+}', async (c) => {
      const id = c.req.param('id');
      return c.json(found(await soon(showDeadLetter(app, Number(id))), `there is no dead letter ${id}`));
    })
    .post('/dead/replay', may('retry'), reason, checked('json', letterIds), async (c) => {
      const { ids } = c.req.valid('json');
      await c.var.audit('dead-letter.replay', ids.join(' '), c.req.valid('query').reason);
      return c.json(await changeDeadLetters(app, 'replay', ids, c.req.raw.signal));
    })
    .post('/dead/discard', may('discard'), reason, checked('json', letterIds), async (c) => {
      const { ids } = c.req.valid('json');
      await c.var.audit('dead-letter.discard', ids.join(' '), c.req.valid('query').reason);
      return c.json(await changeDeadLetters(app, 'discard', ids, c.req.raw.signal));
    });
}

export type PageRoutes = ReturnType<typeof pageRoutes>;

/** The name that others see beside a pause. Without a login there is no name of a user. */
function nameOf({ name }: User): string {
  return name === 'anybody' ? 'the dashboard' : name;
}

function found<Value>(value: Value | null | undefined, message: string): Value {
  if (value === null || value === undefined) throw new Problem(404, message);
  return value;
}

/** `after`: the cursor of the request. */
function explained(error: Error, after: string | undefined): Error {
  // hono's own: a body that is no JSON.
  if (error instanceof HTTPException) return new Problem(error.status, error.message);
  if (error instanceof QuerySyntaxError) {
    const { code, message } = error;
    const parameter = error.query === after ? 'after' : 'query';
    return new Problem(400, parameter === 'after' ? `after: ${message}` : message, {
      code,
      errors: [{ parameter, message }],
    });
  }
  if (error instanceof UnknownScheduleError) return new Problem(404, error.message, { code: error.code });
  if (error instanceof ConfigError) return new Problem(422, error.message, { code: error.code });
  if (error instanceof RetryJobError) return new Problem(404, error.message, { code: error.code });
  if (
    error instanceof ChordRepairError ||
    error instanceof CannotPauseError ||
    error instanceof CannotReleaseError ||
    error instanceof CannotChangeWaitingError
  )
    return new Problem(409, error.message, { code: error.code });
  if (error instanceof BrokerUnavailable || error instanceof StoreError)
    return new Problem(503, error.message, { code: error.code, headers: { 'Retry-After': '5' } });
  return error;
}
