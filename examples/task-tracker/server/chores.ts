// What is done by itself: once an hour what is overdue is told, and at night what is old is removed.
import { randomUUID } from 'node:crypto';
import type { DeleteResult, ExpressionBuilder } from 'kysely';
import type { App } from 'umbel';
import { crontab } from 'umbel';
import { Schedules } from 'umbel/beat';
import { change, type Database } from './database.ts';
import type { Mailer } from './mail.ts';
import { post } from './outbox.ts';
import type { Tables } from './schema.ts';

export const sendOverdueNotice = 'tracker.send_overdue_notice';
export const dailyCleanup = 'tracker.daily_cleanup';

const dayMs = 86_400_000;

/** Marks what has become overdue, once, and posts a notice to each owner. Resolves with how many tasks that were. */
export async function checkOverdue(database: Database, now: Date): Promise<number> {
  const at = now.toISOString();
  const late = ({ eb, and }: ExpressionBuilder<Tables, 'tasks'>) =>
    and([eb('status', '!=', 'done'), eb('deadline', '<', at), eb('overdue_at', 'is', null)]);
  let marked = 0;
  const owners = await database.selectFrom('tasks').select('owner_id').distinct().where(late).execute();
  for (const { owner_id } of owners) {
    marked += await change(database, owner_id, async (writing) => {
      const tasks = writing.updateTable('tasks').set({ overdue_at: at }).where('owner_id', '=', owner_id);
      const ids = (await tasks.where(late).returning('id').execute()).map((task) => task.id);
      const id = randomUUID();
      if (ids.length > 0) await post(writing, { id, task: sendOverdueNotice, args: [id, owner_id, ids] });
      return ids.length;
    });
  }
  return marked;
}

export async function sendNotice(
  database: Database,
  mailer: Mailer,
  id: string,
  ownerId: number,
  taskIds: readonly number[],
): Promise<boolean> {
  const owner = await database.selectFrom('users').selectAll().where('id', '=', ownerId).executeTakeFirst();
  const tasks = await database
    .selectFrom('tasks')
    .select('title')
    .where('id', 'in', taskIds)
    .where('overdue_at', 'is not', null)
    .orderBy('deadline')
    .execute();
  if (owner === undefined || tasks.length === 0) return false; // done meanwhile
  const list = tasks.map(({ title }) => `  - ${title}`).join('\n');
  const subject = tasks.length === 1 ? `Overdue: ${tasks[0]?.title}` : `${tasks.length} tasks are overdue`;
  await mailer.send({
    id,
    to: owner.email,
    subject,
    text: `Hello ${owner.name},\n\noverdue since this hour:\n\n${list}\n`,
  });
  return true;
}

/**
 * Of the users in this time zone: logins that have ended, exports and bulk updates of last week, reminders sent a month ago.
 * Resolves with how many of each that were.
 */
export async function cleanUp(database: Database, timezone: string, now: Date) {
  const ago = (days: number) => new Date(now.getTime() - days * dayMs).toISOString();
  const users = database.selectFrom('users').select('users.id').where('timezone', '=', timezone);
  const tasks = database.selectFrom('tasks').select('tasks.id').where('owner_id', 'in', users);
  const sessions = database.deleteFrom('sessions').where('user_id', 'in', users);
  const jobs = database.deleteFrom('jobs').where('user_id', 'in', users);
  const reminders = database.deleteFrom('reminders').where('task_id', 'in', tasks);
  const deleted = async (old: { executeTakeFirst(): Promise<DeleteResult> }): Promise<number> =>
    Number((await old.executeTakeFirst()).numDeletedRows);
  return {
    sessions: await deleted(sessions.where('expires_at', '<', ago(0))),
    jobs: await deleted(jobs.where('created_at', '<', ago(7))),
    reminders: await deleted(reminders.where('sent_at', '<', ago(30))),
  };
}

/** One schedule for each time zone that somebody lives in, at 02:00 there: made when its first user comes. */
export async function scheduleCleanups(database: Database, app: App): Promise<void> {
  const zones = await database.selectFrom('users').select('timezone').distinct().execute();
  await using schedules = await Schedules.open(app);
  const known = new Set((await schedules.list()).map(({ name }) => name));
  for (const { timezone } of zones) {
    const name = `cleanup at 02:00 in ${timezone}`;
    if (known.has(name)) continue;
    await schedules
      .add(name, crontab('0 2 * * *', { timezone }), dailyCleanup, { args: [timezone] })
      .catch((error: unknown) => console.error(`${name}: ${error}`)); // another process was first, or the next hour tries again
  }
}
