// The routes of actions on messages that wait.
import { Hono } from 'hono';
import { z } from 'zod';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs } from '../roles.ts';
import { actionReason, checked, plainName } from './checked.ts';
import { queueName as checkedQueue } from './queues.ts';

const query = z.string().max(2_048);
const dryRun = z.boolean().default(false);
const queueName = plainName(255);
/** No queue of Umbel's own. */
const ownQueue = checkedQueue.shape.name;
const move = z.object({
  from: queueName,
  to: queueName,
  query: query.optional(),
  limit: z.number().int().min(1).optional(),
  dryRun,
});
const purge = z.object({ from: ownQueue, query: query.optional(), dryRun });
const choice = z
  .object({ ids: z.array(plainName(512)).min(1).max(1_000).optional(), query: query.min(1).optional() })
  .transform(({ ids, query: text }, { addIssue }) => {
    if (ids !== undefined && text === undefined) return { ids };
    if (text !== undefined && ids === undefined) return { query: text };
    addIssue({ code: 'custom', message: 'give either ids or a query' });
    return z.NEVER;
  });
const changes = z.object({
  /** Milliseconds since 1970. */
  eta: z.number().int().optional(),
  queue: queueName.optional(),
  priority: z.number().int().min(0).max(255).optional(),
});
const promotion = z.object({ which: choice, dryRun });
const rescheduling = z.object({ which: choice, changes, dryRun });

/** Operators move messages, and promote and reschedule tasks; admins delete messages. With `dryRun` nothing is changed, and the answer says what would be. */
export function waitingRoutes(context: DashboardContext) {
  const { queues } = context.app;
  const [mover, purger] = [needs('move', context), needs('purge', context)];
  const reason = checked('query', actionReason);
  return new Hono<DashboardEnv>()
    .post('/move', mover, reason, checked('json', move), async (c) => {
      const { from, to, query: text, limit, dryRun: isDry } = c.req.valid('json');
      const target = `${from} -> ${to}${text === undefined ? '' : `: ${text}`}`;
      if (!isDry) await c.var.audit('queue.move', target, c.req.valid('query').reason);
      const which = { ...(text !== undefined && { query: text }), ...(limit !== undefined && { limit }) };
      return c.json({ moved: await queues.move(from, to, { ...which, dryRun: isDry }) });
    })
    .post('/purge', purger, reason, checked('json', purge), async (c) => {
      const { from, query: text = '', dryRun: isDry } = c.req.valid('json');
      const target = text === '' ? from : `${from}: ${text}`;
      if (!isDry) await c.var.audit('queue.purge', target, c.req.valid('query').reason);
      return c.json({ purged: await queues.purge(from, { query: text, dryRun: isDry }) });
    })
    .post('/promote', mover, reason, checked('json', promotion), async (c) => {
      const { which, dryRun: isDry } = c.req.valid('json');
      if (!isDry) await c.var.audit('task.promote', textOf(which), c.req.valid('query').reason);
      return c.json(await queues.promote('ids' in which ? which.ids : which, { dryRun: isDry }));
    })
    .post('/reschedule', mover, reason, checked('json', rescheduling), async (c) => {
      const { which, changes: given, dryRun: isDry } = c.req.valid('json');
      const terms = Object.entries(given).map(([name, value]) => `${name} ${value}`);
      const target = `${terms.join(', ')}: ${textOf(which)}`;
      if (!isDry) await c.var.audit('task.reschedule', target, c.req.valid('query').reason);
      const { eta, queue, priority } = given;
      const changed = {
        ...(eta !== undefined && { eta: new Date(eta) }),
        ...(queue !== undefined && { queue }),
        ...(priority !== undefined && { priority }),
      };
      return c.json(await queues.reschedule('ids' in which ? which.ids : which, changed, { dryRun: isDry }));
    });
}

function textOf(which: z.output<typeof choice>): string {
  return 'ids' in which ? which.ids.join(' ') : which.query;
}
