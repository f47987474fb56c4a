import type { App } from '../app/app.ts';
import { queuesOfTasks } from '../app/task-queues.ts';
import type { ResolvedWorkerOptions } from './resolve-options.ts';

type Served = Pick<ResolvedWorkerOptions, 'queues' | 'queuesChosen' | 'logger'>;

/** Warns of a common mistake with Celery: tasks whose queue no worker serves wait for ever. Not where the queues were chosen for this worker. */
export function logUnservedQueues(app: App, { queues, queuesChosen, logger }: Served): void {
  for (const [queue, tasks] of queuesOfTasks(app)) {
    if (queues.includes(queue)) continue;
    const named =
      tasks.length > 3 ? `${tasks.slice(0, 3).join(', ')} and ${tasks.length - 3} more` : tasks.join(', ');
    const wayOut = [...queues, queue].join(',');
    const text = `${named} ${tasks.length === 1 ? 'goes' : 'go'} to the queue '${queue}', which this worker does not serve: start one with -Q ${queue}, or this one with -Q ${wayOut}`;
    if (queuesChosen) logger.info({ queue, tasks }, text);
    else logger.warn({ queue, tasks }, text);
  }
}
