import { isRecord } from '../../../lib/narrow.ts';
import { type FlowerRoute, json } from './route.ts';

/** `GET /api/queues/length`: the queues of workers and the queues with messages. Flower's keys, and further counts of the store. */
export const queueLengths: FlowerRoute = {
  method: 'GET',
  path: '/api/queues/length',
  async handle(request, { context, workers }) {
    const { app } = context;
    const broker = await app.broker();
    const names = new Set(await broker.queues());
    for (const { active_queues: queues } of (await workers.all(false)).values())
      for (const queue of Array.isArray(queues) ? queues : [])
        if (isRecord(queue) && typeof queue.name === 'string') names.add(queue.name);
    if (names.size === 0) names.add(app.config.taskDefaultQueue);
    const queues = await Promise.all(
      [...names].sort().map(async (name) => {
        const { ready, scheduled, claimed } = await broker.size(name);
        return { name, messages: ready, messages_scheduled: scheduled, messages_unacknowledged: claimed };
      }),
    );
    return json(request, { active_queues: queues });
  },
};
