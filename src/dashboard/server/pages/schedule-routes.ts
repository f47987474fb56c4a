// The routes of the schedules.

import { Hono } from 'hono';
import { z } from 'zod';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs } from '../roles.ts';
import { actionReason, checked, plainText } from './checked.ts';
import { soon } from './part.ts';
import { scheduleForm } from './schedule-form.ts';
import { SchedulePages } from './schedules.ts';

const scheduleChange = z.object({ form: scheduleForm, before: scheduleForm });
/** `changes`: the schedule that the form changes; null: it adds one. */
const scheduleCheck = z.object({ form: scheduleForm, changes: plainText(512).nullable() });

/** Operators run and pause schedules; admins add, change and delete them. */
export function scheduleRoutes(context: DashboardContext) {
  const schedules = new SchedulePages(context.app);
  context.onClose(() => schedules.close());
  const [runner, editor] = [needs('run', context), needs('schedules', context)];
  const reason = checked('query', actionReason);
  return new Hono<DashboardEnv>()
    .get('/', async (c) => c.json(await soon(schedules.list())))
    .get('/calendar', async (c) => c.json(await soon(schedules.calendar())))
    .post('/check', editor, checked('json', scheduleCheck), async (c) => {
      const { form, changes } = c.req.valid('json');
      return c.json(await schedules.check(form, changes));
    })
    .post('/', editor, reason, checked('json', scheduleForm), async (c) => {
      const form = c.req.valid('json');
      await c.var.audit('schedule.add', form.name, c.req.valid('query').reason);
      await schedules.add(form);
      return c.json({ done: true });
    })
    .put('/:name', editor, reason, checked('json', scheduleChange), async (c) => {
      const name = c.req.param('name');
      const { form, before } = c.req.valid('json');
      await c.var.audit('schedule.change', name, c.req.valid('query').reason);
      await schedules.replace(name, form, before);
      return c.json({ done: true });
    })
    .delete('/:name', editor, reason, async (c) => {
      const name = c.req.param('name');
      await c.var.audit('schedule.delete', name, c.req.valid('query').reason);
      await schedules.remove(name);
      return c.json({ done: true });
    })
    .get('/:name/runs', async (c) => c.json({ runs: await soon(schedules.runs(c.req.param('name'))) }))
    .post('/:name/run', runner, reason, async (c) => {
      const name = c.req.param('name');
      await c.var.audit('schedule.run', name, c.req.valid('query').reason);
      return c.json(await schedules.run(name));
    })
    .post('/:name/:verb{pause|resume}', runner, reason, async (c) => {
      const { name } = c.req.param();
      const verb = c.req.param('verb') === 'pause' ? 'pause' : 'resume';
      await c.var.audit(`schedule.${verb}`, name, c.req.valid('query').reason);
      await schedules.change(name, verb);
      return c.json({ done: true });
    });
}
