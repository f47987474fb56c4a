// What runs in workers. `umbel -A ./server/app.ts worker`
import { App, crontab, every, group } from 'umbel';
import { Cache } from './cache.ts';
import {
  checkOverdue,
  cleanUp,
  dailyCleanup,
  scheduleCleanups,
  sendNotice,
  sendOverdueNotice,
} from './chores.ts';
import { openDatabase } from './database.ts';
import { type Format, file } from './export.ts';
import { smtpMailer } from './mail.ts';
import { relay } from './outbox.ts';
import { sendReminder, sendTaskReminder } from './reminders.ts';
import { settings } from './settings.ts';
import type { Task, TaskChanges } from './shapes.ts';
import { statisticsOf } from './statistics.ts';
import { allTasks, countOf, tasksOf, updateTask } from './tasks.ts';

export const app: App = new App('task-tracker', {
  broker: settings.brokerUrl,
  brokerPassword: settings.brokerUrl === settings.redisUrl ? settings.redisPassword : null,
  backend: settings.backendUrl,
  resultBackendPassword: settings.redisPassword,
});

// One of each in a process; opened by the first task that needs it, so that a beat opens none.
const once = <T>(open: () => T): (() => T) => {
  let opened: T | undefined;
  return () => {
    opened ??= open();
    return opened;
  };
};
const database = once(openDatabase);
const cache = once(() => Cache.open());
const mailer = once(smtpMailer);

/** What depends on the world outside is tried until it works: first after about a second, later every minute. */
const patiently = {
  autoretryFor: [Error],
  maxRetries: null,
  retryBackoff: true,
  retryBackoffMax: 60,
} as const;

app.task(sendTaskReminder, patiently, async (id: string) => sendReminder(await database(), mailer(), id));

app.task(sendOverdueNotice, patiently, async (id: string, ownerId: number, taskIds: number[]) =>
  sendNotice(await database(), mailer(), id, ownerId, taskIds),
);

export const relayOutbox = app.task('tracker.relay_outbox', async () => relay(await database(), app));

export const checkOverdueTasks = app.task('tracker.check_overdue_tasks', async () => {
  await scheduleCleanups(await database(), app);
  const marked = await checkOverdue(await database(), new Date());
  await relay(await database(), app);
  return marked;
});

app.task(dailyCleanup, async (timezone: string) => cleanUp(await database(), timezone, new Date()));

/** Counts for all users, so that they find it counted: of use where they share the cache, which is Redis. */
export const processTaskStatistics = app.task('tracker.process_task_statistics', async () => {
  const users = await (await database()).selectFrom('users').select(['id', 'revision', 'timezone']).execute();
  for (const user of users) await statisticsOf(await database(), await cache(), user);
  return users.length;
});

/** Writes the file into the job's row. Its progress is its state. */
export const exportUserTasks = app.task(
  'tracker.export_user_tasks',
  { bind: true, softTimeLimit: '10m', timeLimit: '11m' },
  async (task, userId: number, format: Format) => {
    const db = await database();
    const total = await countOf(tasksOf(db, userId));
    const tasks: Task[] = [];
    for await (const some of allTasks(db, userId, 50)) {
      task.signal.throwIfAborted();
      tasks.push(...some);
      await task.updateState('PROGRESS', { done: tasks.length, total: Math.max(tasks.length, total) });
    }
    const done = { content: file(format, tasks), rows: tasks.length };
    await db.updateTable('jobs').set(done).where('id', '=', task.request.id).execute();
    return done.rows;
  },
);

/** One of a bulk update. Setting the same twice changes nothing, so it may be repeated. */
export const bulkUpdateTask = app.task(
  'tracker.bulk_update_task',
  async (userId: number, id: number, changes: TaskChanges) => {
    const task = await updateTask(await database(), userId, id, changes);
    return task === undefined ? 'not found' : 'updated';
  },
);

/** Sends the parts of a bulk update, whose ids are in the job's row: sent again, they are the same. */
export const beginBulk = app.task(
  'tracker.begin_bulk_update',
  patiently,
  async (jobId: string, userId: number, changes: TaskChanges) => {
    const jobs = (await database()).selectFrom('jobs').select('detail').where('id', '=', jobId);
    const parts = Object.entries<string>(JSON.parse((await jobs.executeTakeFirst())?.detail ?? '{}'));
    await group(
      parts.map(([id, taskId]) => bulkUpdateTask.s(userId, Number(id), changes).set({ taskId })),
    ).delay();
    return parts.length;
  },
);

app.schedule('outbox', every('10s'), relayOutbox, { missed: 'skip', overlap: 'skip' });
app.schedule('overdue', crontab('0 * * * *'), checkOverdueTasks);
app.schedule('statistics', crontab('5 * * * *'), processTaskStatistics, { missed: 'skip' });
