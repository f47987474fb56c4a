// The periodic tasks of a service: a heartbeat, and the schedules of a task tracker.
import { appendFile, mkdir, stat } from 'node:fs/promises';
import { App, crontab, every } from 'umbel';

export const app: App = new App('tracker', {
  timezone: 'Europe/Berlin',
  // Celery's form; `app.schedule` below is the other one.
  beatSchedule: {
    'check-overdue-tasks': { task: 'tracker.check_overdue_tasks', schedule: crontab({ minute: 0 }) },
    'daily-cleanup': {
      task: 'tracker.daily_cleanup',
      schedule: crontab({ minute: 0, hour: 2 }),
      // It may run late, but not at noon, and never two at a time.
      startingDeadline: '4h',
      overlap: 'skip',
    },
  },
});

/** The file that counts the heartbeats: one byte each, because an append is atomic even with several workers. */
const heartbeatFile = '.umbel/heartbeats';

export const heartbeat = app.task('maintenance.heartbeat', { bind: true }, async (task) => {
  await mkdir('.umbel', { recursive: true });
  await appendFile(heartbeatFile, '.');
  const count = (await stat(heartbeatFile)).size;
  task.logger.info({ count, task_id: task.request.id }, 'heartbeat');
  return count;
});

interface Tracked {
  readonly title: string;
  readonly due: Date;
}

const tracked: readonly Tracked[] = [
  { title: 'write the report', due: new Date('2026-01-31T12:00:00Z') },
  { title: 'celebrate', due: new Date('2126-01-31T12:00:00Z') },
];

/** The arguments are computed when the run is sent: the task gets its due time, however late it runs. */
export const checkOverdueTasks = app.task('tracker.check_overdue_tasks', (at?: string) => {
  const now = at === undefined ? new Date() : new Date(at);
  return tracked.filter(({ due }) => due < now).map(({ title }) => title);
});

export const dailyCleanup = app.task('tracker.daily_cleanup', () => 'clean');

// A missed heartbeat is useless.
app.schedule('heartbeat', every(10), heartbeat, { missed: 'skip', expires: 10 });

app.schedule('overdue-at-eight', crontab('0 8 * * mon-fri'), {
  task: checkOverdueTasks,
  args: ({ due }) => [due.toISOString()],
});
