import { destinationOf } from '../sending/destination.ts';
import type { App } from './app.ts';

/**
 * The queues that an application's own tasks go to by default, each with the names of its tasks. Tasks whose route depends on the whole call,
 * or names an exchange, are left out.
 */
export function queuesOfTasks(app: App): ReadonlyMap<string, readonly string[]> {
  const { router, topology, config } = app;
  const queues = new Map<string, string[]>();
  if (!router.byName) return queues;
  for (const { name, run, options } of app.tasks) {
    if (run === null || name.startsWith('celery.')) continue;
    const route = router.route(name, [], {}, {}) ?? {};
    const { queue, exchange } = destinationOf({}, route, options.queue, config.taskDefaultQueue, topology);
    if (exchange !== '') continue;
    const names = queues.get(queue);
    if (names === undefined) queues.set(queue, [name]);
    else names.push(name);
  }
  return queues;
}
