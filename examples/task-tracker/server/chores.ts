// What is done by itself: once an hour what is overdue is told, and at night what is old is removed.
import { randomUUID } from 'node:crypto';
import type { App } from 'umbel';
import { crontab } from 'umbel';
import { Schedules } from 'umbel/beat';
import { change, type Database } from './database.ts';
import type { Mailer } from './mail.ts';
import { post } from './outbox.ts';

export const sendOverdueNotice = 'tracker.send_overdue_notice';
export const dailyCleanup = 'tracker.daily_cleanup';

const dayMs = 86_400_000;

/** Marks what has become overdue, once, and posts a notice to each owner. Resolves with how many tasks that were. */
export async function checkOverdue(database: Database, now: Date): Promise<number> {
  const owners = await database
    .selectFrom('tasks')
    .select('owner_id')
    .distinct()
    .where('status', '!=', 'done')
    .where('deadline', '<', now.toISOString())
    .where('overdue_at', 'is', null)
    .execute();
  let marked = 0;
  for (const { owner_id } of owners) {
    marked += await change(database, owner_id, async (writing) => {
      const late = await writing
        .updateTable('tasks')
        .set({ overdue_at: now.toISOString() })
        .where('owner_id', '=', owner_id)
        .where('status', '!=', 'done')
        .where('deadline', '<', now.toISOString())
        .where('overdue_at', 'is', null)
        .returning('id')
        .execute();
      const id = randomUUID();
      const args = [id, owner_id, late.map((task) => task.id)];
      if (late.length > 0) await post(writing, { id, task: sendOverdueNotice, args });
      return late.length;
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

export interface Cleaned {
  readonly sessions: number;
  readonly jobs: number;
  readonly reminders: number;
}

/** Of the users in this time zone: logins that have ended, exports and bulk updates of last week, reminders sent a month ago. */
export async function cleanUp(database: Database, timezone: string, now: Date): Promise<Cleaned> {
  const ago = (days: number) => new Date(now.getTime() - days * dayMs).toISOString();
  const users = database.selectFrom('users').select('users.id').where('timezone', '=', timezone);
  const sessions = await database
    .deleteFrom('sessions')
    .where('user_id', 'in', users)
    .where('expires_at', '<', now.toISOString())
    .executeTakeFirst();
  const jobs = await database
    .deleteFrom('jobs')
    .where('user_id', 'in', users)
    .where('created_at', '<', ago(7))
    .executeTakeFirst();
  const tasks = database.selectFrom('tasks').select('tasks.id').where('owner_id', 'in', users);
  const reminders = await database
    .deleteFrom('reminders')
    .where('task_id', 'in', tasks)
    .where('sent_at', '<', ago(30))
    .executeTakeFirst();
  return {
    sessions: Number(sessions.numDeletedRows),
    jobs: Number(jobs.numDeletedRows),
    reminders: Number(reminders.numDeletedRows),
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
