// The routes of the rolling restart of workers.
import { Hono } from 'hono';
import { z } from 'zod';
import { Problem } from '../../../http/problem.ts';
import { systemClock } from '../../../lib/clock.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs } from '../roles.ts';
import { actionReason, checked, plainName } from './checked.ts';
import { RollingRestart } from './rolling-restart.ts';

const order = z.object({
  workers: z
    .array(plainName(512))
    .min(1)
    .max(1_000)
    .refine((names) => new Set(names).size === names.length, 'names a worker twice'),
  patience: z.number().int().min(5).max(86_400).default(300),
});

/** Admins restart workers. It runs in this process: when the dashboard closes or dies, no further worker is told to shut down. */
export function restartRoutes(context: DashboardContext) {
  const { app, control, fleet, closing } = context;
  const mayShutDown = needs('shutdown', context);
  const reason = checked('query', actionReason);
  const locks = async () => (await app.broker()).openLocks?.() ?? (await app.backend())?.openLocks?.();
  // What the workers told is from before: the page would say of one that is back that it does not answer.
  const onBack = (): void => fleet.forget();
  const restart = new RollingRestart({ control, clock: systemClock, locks, signal: closing, onBack });
  context.onClose(() => restart.settled());
  return new Hono<DashboardEnv>()
    .get('/', (c) => c.json({ restart: restart.status }))
    .post('/', mayShutDown, reason, checked('json', order), async (c) => {
      const { workers, patience } = c.req.valid('json');
      const why = c.req.valid('query').reason;
      const { audit, user } = c.var;
      await audit('worker.rolling-restart', workers.join(' '), why);
      const refusal = await restart.start({
        workers,
        patience,
        by: user.name,
        audit: (worker) => audit('worker.shutdown', worker, why),
      });
      if (refusal !== null) throw new Problem(409, refusal);
      void restart.settled().then(() => context.fleet.forget());
      return c.json({ restart: restart.status }, 202);
    })
    .post('/stop', mayShutDown, reason, async (c) => {
      await c.var.audit('worker.rolling-restart.stop', '', c.req.valid('query').reason);
      return c.json({ stopped: restart.stop() });
    });
}
