// Reminders: one for each deadline of a task, a day before it. The row of the reminder, the message for it in the outbox, and the
// task's own row are one transaction.
import { randomUUID } from 'node:crypto';
import { change, type Database, type Writing } from './database.ts';
import type { Mailer } from './mail.ts';
import { post } from './outbox.ts';
import type { TaskRow } from './schema.ts';

/** The name of the task of Umbel that sends one. */
export const sendTaskReminder = 'tracker.send_task_reminder';

const dayMs = 86_400_000;

/** When to remind: a day before the deadline, or now if less is left. null: there is nothing to remind of. */
export function remindAt({ status, deadline }: Pick<TaskRow, 'status' | 'deadline'>, now: Date): Date | null {
  if (status === 'done' || deadline === null) return null;
  const due = Date.parse(deadline);
  return due <= now.getTime() ? null : new Date(Math.max(due - dayMs, now.getTime()));
}

/** Called after each write to a task. That of an earlier deadline stays: it finds, when its time has come, that it is not wanted. */
export async function planReminder(writing: Writing, task: TaskRow): Promise<void> {
  const eta = remindAt(task, new Date());
  if (eta === null || task.deadline === null) return;
  const id = randomUUID();
  const planned = await writing
    .insertInto('reminders')
    .values({ id, task_id: task.id, deadline: task.deadline, sent_at: null })
    .onConflict((conflict) => conflict.columns(['task_id', 'deadline']).doNothing())
    .executeTakeFirst();
  if ((planned.numInsertedOrUpdatedRows ?? 0n) === 0n) return; // one for this deadline is under way, or was sent
  await post(writing, { id, task: sendTaskReminder, args: [id], eta });
}

/** What became of it. */
export type Reminded = 'sent' | 'sent before' | 'not wanted any more';

/**
 * Sends one. Run again after a crash it sends nothing twice, with one exception that no program can avoid: when it died between the
 * mail server's "accepted" and its own note of that. Then the mail goes out again with the same Message-ID, by which mailboxes know
 * that they have it.
 */
export async function sendReminder(database: Database, mailer: Mailer, id: string): Promise<Reminded> {
  const found = await database
    .selectFrom('reminders')
    .innerJoin('tasks', 'tasks.id', 'reminders.task_id')
    .innerJoin('users', 'users.id', 'tasks.owner_id')
    .select([
      'reminders.sent_at',
      'reminders.deadline as reminded_of',
      'tasks.title',
      'tasks.status',
      'tasks.deadline',
    ])
    .select(['tasks.owner_id', 'users.email', 'users.name', 'users.timezone'])
    .where('reminders.id', '=', id)
    .executeTakeFirst();
  if (found === undefined) return 'not wanted any more';
  if (found.sent_at !== null) return 'sent before';
  if (found.status === 'done' || found.deadline !== found.reminded_of)
    return (await forget(database, found.owner_id, id))
      ? 'not wanted any more'
      : sendReminder(database, mailer, id);
  const when = new Date(found.deadline).toLocaleString('en-GB', {
    timeZone: found.timezone,
    dateStyle: 'full',
    timeStyle: 'short',
  });
  await mailer.send({
    id,
    to: found.email,
    subject: `Due soon: ${found.title}`,
    text: `Hello ${found.name},\n\n"${found.title}" is due on ${when}.\n`,
  });
  await database
    .updateTable('reminders')
    .set({ sent_at: new Date().toISOString() })
    .where('id', '=', id)
    .execute();
  return 'sent';
}

/** So that a task that is opened again, or gets its old deadline back, is reminded of. false: it is wanted again meanwhile. */
function forget(database: Database, ownerId: number, id: string): Promise<boolean> {
  return change(database, ownerId, async (writing) => {
    const deleted = await writing
      .deleteFrom('reminders')
      .where('id', '=', id)
      .where(({ not, exists, selectFrom }) => {
        const task = selectFrom('tasks').select('tasks.id').whereRef('tasks.id', '=', 'reminders.task_id');
        return not(
          exists(task.where('status', '!=', 'done').whereRef('tasks.deadline', '=', 'reminders.deadline')),
        );
      })
      .executeTakeFirst();
    return deleted.numDeletedRows > 0n;
  });
}
