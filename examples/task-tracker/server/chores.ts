// What is done by itself: once an hour what is overdue is told and users' tasks are counted, and at night what is old is removed.
import type { DeleteResult, ExpressionBuilder } from 'kysely';
import { crontab } from 'umbel';
import { Schedules } from 'umbel/beat';
import { change, database } from './database.ts';
import { send } from './mail.ts';
import { post, relay } from './outbox.ts';
import { inDays, now, type Tables } from './schema.ts';
import { statisticsOf } from './statistics.ts';
import { again, app, patiently } from './umbel.ts';

const checkOverdueTasks = app.task('tracker.check_overdue_tasks', again, async () => {
  const marked = await markOverdue();
  await relay();
  await scheduleCleanups();
  return marked;
});
app.schedule('overdue', crontab('0 * * * *'), checkOverdueTasks);

/** Counts for all users, so that they find it counted: of use where they share the cache, which is Redis. */
const processTaskStatistics = app.task('tracker.process_task_statistics', again, async () => {
  const users = await database.selectFrom('users').select(['id', 'revision', 'timezone']).execute();
  for (const user of users) await statisticsOf(user);
  return users.length;
});
app.schedule('statistics', crontab('5 * * * *'), processTaskStatistics, { missed: 'skip' });

/** Marks what has become overdue, once, and posts a notice to each owner. Resolves with how many tasks that were. */
async function markOverdue(): Promise<number> {
  const at = now();
  const late = ({ eb, and }: ExpressionBuilder<Tables, 'tasks'>) =>
    and([eb('status', '!=', 'done'), eb('deadline', '<', at), eb('overdue_at', 'is', null)]);
  let marked = 0;
  const owners = await database.selectFrom('tasks').select('owner_id').distinct().where(late).execute();
  for (const { owner_id } of owners) {
    marked += await change(owner_id, async (writing) => {
      const tasks = writing.updateTable('tasks').set({ overdue_at: at }).where('owner_id', '=', owner_id);
      const ids = (await tasks.where(late).returning('id').execute()).map((task) => task.id);
      if (ids.length > 0) await post(writing, sendOverdueNotice.s(owner_id, ids));
      return ids.length;
    });
  }
  return marked;
}

const sendOverdueNotice = app.task(
  'tracker.send_overdue_notice',
  { bind: true, ...patiently },
  async (task, ownerId: number, taskIds: readonly number[]) => {
    const owner = await database.selectFrom('users').selectAll().where('id', '=', ownerId).executeTakeFirst();
    const late = database.selectFrom('tasks').where('id', 'in', taskIds).where('overdue_at', 'is not', null);
    const tasks = await late.select('title').orderBy('deadline').execute();
    if (owner === undefined || tasks.length === 0) return false; // done meanwhile
    const list = tasks.map(({ title }) => `  - ${title}`).join('\n');
    const subject = tasks.length === 1 ? `Overdue: ${tasks[0]?.title}` : `${tasks.length} tasks are overdue`;
    const text = `Hello ${owner.name},\n\noverdue since this hour:\n\n${list}\n`;
    await send(task.request.id, { to: owner.email, subject, text });
    return true;
  },
);

/**
 * Of the users in this time zone: logins that have ended, exports and bulk updates of last week, reminders sent a month ago.
 * Resolves with how many of each that were.
 */
export async function cleanUp(timezone: string) {
  const users = database.selectFrom('users').select('users.id').where('timezone', '=', timezone);
  const tasks = database.selectFrom('tasks').select('tasks.id').where('owner_id', 'in', users);
  const sessions = database.deleteFrom('sessions').where('user_id', 'in', users);
  const jobs = database.deleteFrom('jobs').where('user_id', 'in', users);
  const reminders = database.deleteFrom('reminders').where('task_id', 'in', tasks);
  const deleted = async (old: { executeTakeFirst(): Promise<DeleteResult> }): Promise<number> =>
    Number((await old.executeTakeFirst()).numDeletedRows);
  return {
    sessions: await deleted(sessions.where('expires_at', '<', now())),
    jobs: await deleted(jobs.where('created_at', '<', inDays(-7))),
    reminders: await deleted(reminders.where('sent_at', '<', inDays(-30))),
  };
}
const dailyCleanup = app.task('tracker.daily_cleanup', again, cleanUp);

/** One schedule for each time zone that somebody lives in, at 02:00 there: made when its first user comes. */
export async function scheduleCleanups(): Promise<void> {
  const zones = await database.selectFrom('users').select('timezone').distinct().execute();
  await using schedules = await Schedules.open(app);
  for (const { timezone } of zones) {
    const at = crontab('0 2 * * *', { timezone });
    await schedules.ensure(`cleanup at 02:00 in ${timezone}`, at, dailyCleanup, { args: [timezone] });
  }
}
