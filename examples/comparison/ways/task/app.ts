// The first way: tasks. This is what workers run: `umbel -A ./ways/task/app.ts worker --concurrency=3 --loglevel=info`
// The broker is UMBEL_BROKER_URL, the result backend UMBEL_RESULT_BACKEND; server/brokers.ts finds them.
import { App } from 'umbel';
import { type Done, work } from '../work.ts';

export const app: App = new App('comparison', {
  workerSendTaskEvents: true,
  taskTrackStarted: true,
  taskSoftTimeLimit: '4m',
  taskTimeLimit: '5m',
});

/** Three retries, as `max_retries=3, default_retry_delay=…` in Python. */
export const processTask = app.task(
  'process_task',
  {
    bind: true,
    maxRetries: 3,
    defaultRetryDelay: Number(process.env.RETRY_DELAY ?? 1),
    autoretryFor: [Error],
    parameters: ['task_num', 'timeout', 'worker_id?', 'failures?'],
  },
  async (
    task,
    taskNum: number,
    timeout: number,
    workerId: string = 'celery',
    failures: number = 0,
  ): Promise<Done & { worker_id: string }> => {
    const done = await work(
      { number: taskNum, seconds: timeout, failures },
      task.request.retries + 1,
      (share) => task.updateState('PROGRESS', { share }),
    );
    return { ...done, worker_id: workerId };
  },
);

export const processData = app.task('process_data', (data: readonly unknown[]) => ({
  status: 'success',
  items: data.length,
}));
