// Reminders: one for each deadline of a task, a day before it. The row of the reminder, the message for it in the outbox, and the
// task's own row are one transaction.
import { randomUUID } from 'node:crypto';
import { change, database, type Writing } from './database.ts';
import { send } from './mail.ts';
import { post } from './outbox.ts';
import { dayMs, now, type TaskRow } from './schema.ts';
import { app, patiently } from './umbel.ts';

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
  const reminder = { id: randomUUID(), task_id: task.id, deadline: task.deadline };
  const insert = writing
    .insertInto('reminders')
    .values(reminder)
    .onConflict((on) => on.doNothing());
  const planned = await insert.returning('id').executeTakeFirst();
  if (planned === undefined) return; // one for this deadline is under way, or was sent
  await post(writing, sendTaskReminder.s().set({ eta, taskId: planned.id }));
}

/**
 * Sends one. Run again after a crash it sends nothing twice, with one exception that no program can avoid: when it died between the
 * mail server's "accepted" and its own note of that. Then the mail goes out again with the same Message-ID, by which mailboxes know
 * that they have it.
 */
const sendTaskReminder = app.task('tracker.send_task_reminder', { ...patiently, bind: true }, (task) =>
  sendReminder(task.request.id),
);

async function sendReminder(id: string): Promise<'sent' | 'sent before' | 'not wanted any more'> {
  const found = await database
    .selectFrom('reminders')
    .innerJoin('tasks', 'tasks.id', 'reminders.task_id')
    .innerJoin('users', 'users.id', 'tasks.owner_id')
    .select(['reminders.sent_at', 'reminders.deadline as reminded_of', 'tasks.owner_id', 'tasks.title'])
    .select(['tasks.status', 'tasks.deadline', 'users.email', 'users.name', 'users.timezone'])
    .where('reminders.id', '=', id)
    .executeTakeFirst();
  if (found === undefined) return 'not wanted any more';
  if (found.sent_at !== null) return 'sent before';
  if (found.status === 'done' || found.deadline !== found.reminded_of)
    return (await forget(found.owner_id, id)) ? 'not wanted any more' : sendReminder(id);
  const style = { dateStyle: 'full', timeStyle: 'short', timeZone: found.timezone } as const;
  const when = new Date(found.deadline).toLocaleString('en-GB', style);
  const text = `Hello ${found.name},\n\n"${found.title}" is due on ${when}.\n`;
  await send(id, { to: found.email, subject: `Due soon: ${found.title}`, text });
  await database.updateTable('reminders').set({ sent_at: now() }).where('id', '=', id).execute();
  return 'sent';
}

/** So that a task that is opened again, or gets its old deadline back, is reminded of. false: it is wanted again meanwhile. */
function forget(ownerId: number, id: string): Promise<boolean> {
  return change(ownerId, async (writing) => {
    const unwanted = writing
      .deleteFrom('reminders')
      .where('id', '=', id)
      .where(({ not, exists, selectFrom }) => {
        const task = selectFrom('tasks').select('tasks.id').whereRef('tasks.id', '=', 'reminders.task_id');
        const open = task.where('status', '!=', 'done');
        return not(exists(open.whereRef('tasks.deadline', '=', 'reminders.deadline')));
      });
    return (await unwanted.executeTakeFirst()).numDeletedRows > 0n;
  });
}
