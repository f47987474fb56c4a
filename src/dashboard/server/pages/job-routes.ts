// The routes of jobs that run many tasks again.
import { Hono } from 'hono';
import { z } from 'zod';
import { parseRate } from '../../../config/rate.ts';
import { Problem } from '../../../http/problem.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs } from '../roles.ts';
import { actionReason, checked } from './checked.ts';

/** As of `umbel tasks retry --query`: a number in a second, or `50/s`. */
const rate = z.union([z.string().max(20), z.number()]);
const plan = z.object({
  query: z.string().max(2_048),
  rate: rate.optional(),
  stopAt: z.number().min(0).max(1).optional(),
  again: z.boolean().default(false),
});
const pace = z.object({ rate: rate.optional() });

/** Operators prepare, run, pause and abort jobs. A job that was started here runs in this process, and is paused when the dashboard closes. */
export function jobRoutes(context: DashboardContext) {
  const { app, closing, settings } = context;
  const retrier = needs('retry', context);
  const reason = checked('query', actionReason);
  const running = new Set<Promise<unknown>>();
  context.onClose(() => Promise.all(running));
  const inBackground = (work: Promise<unknown>, failure: string): void => {
    const watched = work
      .catch((error: unknown) => settings.logger.warn({ err: error }, failure))
      .finally(() => running.delete(watched));
    running.add(watched);
  };
  return new Hono<DashboardEnv>()
    .get('/', async (c) => c.json({ jobs: await app.history.retryJobs() }))
    .get('/:id', async (c) => c.json(await (await app.history.retryJob(c.req.param('id'))).status()))
    .post('/', retrier, reason, checked('json', plan), async (c) => {
      const { query, again, ...given } = c.req.valid('json');
      const why = c.req.valid('query').reason;
      await c.var.audit('job.plan', query, why);
      const job = await app.history.retryAll(query, {
        again,
        by: c.var.user.name,
        prepare: false,
        ...(given.rate !== undefined && { rate: given.rate }),
        ...(given.stopAt !== undefined && { stopAt: given.stopAt }),
        ...(why !== undefined && { reason: why }),
      });
      inBackground(job.prepare({ signal: closing }), `the preparation of the job ${job.id} has stopped`);
      return c.json(await job.status(), 202);
    })
    .post('/:id/prepare', retrier, reason, async (c) => {
      const id = c.req.param('id');
      const job = await app.history.retryJob(id);
      const { state, pauseReason } = await job.status();
      if (state !== 'planning' || pauseReason === '')
        throw new Problem(409, state === 'planning' ? 'the job is being prepared' : `the job is ${state}`);
      await c.var.audit('job.plan', id, c.req.valid('query').reason);
      inBackground(job.prepare({ signal: closing }), `the preparation of the job ${id} has stopped`);
      return c.json({ started: true }, 202);
    })
    .post('/:id/run', retrier, reason, checked('json', pace), async (c) => {
      const id = c.req.param('id');
      const given = c.req.valid('json').rate;
      parseRate(given ?? null, 'rate'); // a wrong one is refused now
      const job = await app.history.retryJob(id);
      const { state, query } = await job.status();
      if (state !== 'ready' && state !== 'paused') throw new Problem(409, `the job is ${state}`);
      await c.var.audit('job.run', `${id}: ${query}`, c.req.valid('query').reason);
      inBackground(
        job.run({ signal: closing, ...(given !== undefined && { rate: given }) }),
        `the job ${id} was paused`,
      );
      return c.json({ started: true }, 202);
    })
    .post('/:id/:verb{pause|abort}', retrier, reason, async (c) => {
      const id = c.req.param('id');
      const verb = c.req.param('verb') === 'pause' ? 'pause' : 'abort';
      const job = await app.history.retryJob(id);
      await job.status(); // refuses for a job that does not exist
      await c.var.audit(`job.${verb}`, id, c.req.valid('query').reason);
      return c.json({ done: await job[verb]() });
    });
}
