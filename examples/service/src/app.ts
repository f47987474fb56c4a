// What runs in workers, and when. `umbel -A ./src/app.ts worker`
import { App, every, SoftTimeLimitExceeded } from 'umbel';
import { type Heartbeats, openHeartbeats } from './heartbeats.ts';
import { Notification, post, ServiceAway } from './notify.ts';
import { settings } from './settings.ts';

export const app: App = new App('umbel-service', {
  broker: settings.broker,
  brokerPassword: settings.password,
  backend: settings.backend,
  resultBackendPassword: settings.password,
  resultExpires: '1d',
  taskSoftTimeLimit: '4m',
  taskTimeLimit: '5m',
  taskTrackStarted: true,
  taskSendSentEvent: true, // the dashboard shows what is sent
});

let heartbeats: Heartbeats | undefined; // opened by the first task that needs it: beat and dashboard open none

/** Shows that beat, Redis and a worker work together: the count grows. No retries: the next one is sent soon. */
export const heartbeat = app.task(
  'maintenance.heartbeat',
  { bind: true, maxRetries: 0, softTimeLimit: 5, timeLimit: 10 },
  async (task) => {
    heartbeats ??= openHeartbeats(settings.redis, settings.password);
    const count = await heartbeats.count(task.request.id);
    task.logger.info({ count }, 'heartbeat'); // a line of JSON with task_id and task_name
    return count;
  },
);

/** Retried for as long as the other service is away, about an hour; an error of our own fails at once, since it would fail again. */
export const notify = app.task(
  'notifications.send',
  {
    bind: true,
    autoretryFor: [ServiceAway, SoftTimeLimitExceeded],
    maxRetries: 12,
    retryBackoff: true,
    retryBackoffMax: '10m',
    softTimeLimit: 20,
    timeLimit: 30,
    input: Notification,
  },
  async (task, notification) => {
    if (settings.notifyUrl === null) {
      task.logger.info({ to: notification.to }, 'notification (NOTIFY_URL is empty)');
      return 'logged';
    }
    await post(settings.notifyUrl, task.request.id, notification, task.signal);
    return 'sent';
  },
);

app.schedule('heartbeat', every(settings.heartbeatSeconds), heartbeat, { missed: 'skip', overlap: 'skip' });
