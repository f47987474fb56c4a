// Flower's routes of workers: their records, and remote control.
import { Problem } from '../../../http/problem.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import type { DashboardRequest } from '../context.ts';
import { readParameters } from './parameters.ts';
import { checkWorker, type FlowerRoute, type FlowerState, json, message, pathName } from './route.ts';

const maxProcesses = 10_000;
/** Seconds. Restarting a pool, or stopping a consumer, may take longer than other commands. */
const slowTimeout = 5;

const listWorkers: FlowerRoute = {
  method: 'GET',
  path: '/api/workers',
  async handle(request, { workers }) {
    const parameters = await readParameters(request.req.raw);
    const name = parameters.textOr('workername', null);
    const refresh = parameters.flag('refresh', false);
    if (parameters.flag('status', false)) {
      const status = workers.status();
      if (name === null) return json(request, Object.fromEntries(status));
      if (!status.has(name)) throw new Problem(404, `Unknown worker '${name}'`);
      return json(request, { [name]: status.get(name) });
    }
    if (name === null) return json(request, Object.fromEntries(await workers.all(refresh)));
    const record = await workers.get(name);
    if (record === undefined) throw new Problem(404, `Unknown worker '${name}'`);
    return json(request, { [name]: record });
  },
};

const shutdown: FlowerRoute = {
  method: 'POST',
  path: '/api/worker/shutdown/:name{.+}',
  right: 'shutdown',
  async handle(request, flower) {
    const worker = await checkWorker(pathName(request), flower);
    await request.var.audit('worker.shutdown', worker, await reasonOf(request));
    await flower.context.control.shutdown({ destination: [worker] });
    return message(request, 'Shutting down!');
  },
};

const restartPool: FlowerRoute = {
  method: 'POST',
  path: '/api/worker/pool/restart/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const worker = await checkWorker(pathName(request), flower);
    await request.var.audit('worker.pool.restart', worker, await reasonOf(request));
    await order(flower, worker, 'pool_restart', { reload: false }, `restart the '${worker}' pool`);
    return message(request, `Restarting '${worker}' worker's pool`);
  },
};

function resize(verb: 'grow' | 'shrink', ing: string): FlowerRoute {
  return {
    method: 'POST',
    path: `/api/worker/pool/${verb}/:name{.+}`,
    right: 'workers',
    async handle(request, flower) {
      const parameters = await readParameters(request.req.raw);
      const n = parameters.integer('n', { from: 1, to: maxProcesses, otherwise: 1 });
      const worker = await checkWorker(pathName(request), flower);
      await request.var.audit(
        `worker.pool.${verb}`,
        `${worker} by ${n}`,
        parameters.textOr('reason', undefined),
      );
      await order(flower, worker, `pool_${verb}`, { n }, `${verb} '${worker}' worker's pool`);
      return message(request, `${ing} '${worker}' worker's pool by ${n}`);
    },
  };
}

const autoscale: FlowerRoute = {
  method: 'POST',
  path: '/api/worker/pool/autoscale/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const parameters = await readParameters(request.req.raw);
    const min = parameters.integer('min', { from: 0, to: maxProcesses });
    const max = parameters.integer('max', { from: 1, to: maxProcesses });
    if (min > max) throw new Problem(422, `'min' (${min}) is above 'max' (${max})`);
    const worker = await checkWorker(pathName(request), flower);
    const target = `${worker} min=${min} max=${max}`;
    await request.var.audit('worker.pool.autoscale', target, parameters.textOr('reason', undefined));
    await order(flower, worker, 'autoscale', { min, max }, `autoscale '${worker}' worker`);
    return message(request, `Autoscaling '${worker}' worker (min=${min}, max=${max})`);
  },
};

const addConsumer: FlowerRoute = {
  method: 'POST',
  path: '/api/worker/queue/add-consumer/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const parameters = await readParameters(request.req.raw);
    const queue = parameters.text('queue');
    const worker = await checkWorker(pathName(request), flower);
    await request.var.audit('worker.queue.add', `${worker} ${queue}`, parameters.textOr('reason', undefined));
    const args = { queue, exchange: queue, exchange_type: 'direct', routing_key: queue };
    const what = `add '${queue}' consumer to '${worker}' worker`;
    return message(request, await order(flower, worker, 'add_consumer', args, what));
  },
};

const cancelConsumer: FlowerRoute = {
  method: 'POST',
  path: '/api/worker/queue/cancel-consumer/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const parameters = await readParameters(request.req.raw);
    const queue = parameters.text('queue');
    const worker = await checkWorker(pathName(request), flower);
    await request.var.audit(
      'worker.queue.cancel',
      `${worker} ${queue}`,
      parameters.textOr('reason', undefined),
    );
    const what = `cancel '${queue}' consumer from '${worker}' worker`;
    return message(request, await order(flower, worker, 'cancel_consumer', { queue }, what));
  },
};

export const workerRoutes: readonly FlowerRoute[] = [
  listWorkers,
  shutdown,
  restartPool,
  resize('grow', 'Growing'),
  resize('shrink', 'Shrinking'),
  autoscale,
  addConsumer,
  cancelConsumer,
];

/**
 * Sends a command to one worker, and returns its reply. `what`: completes "Failed to …".
 * @throws Problem 403 with the worker's reason, 504 when it does not answer
 */
export async function order(
  { context }: FlowerState,
  worker: string,
  method: string,
  args: Json,
  what: string,
): Promise<string> {
  const { control, settings } = context;
  const timeout = Math.max(slowTimeout, settings.inspectTimeout);
  const { replies } = await control.ask(method, args, { destination: [worker], timeout });
  const reply = replies.get(worker);
  if (!replies.has(worker))
    throw new Problem(504, `Failed to ${what}: no reply within ${timeout} s; the worker may still do it`);
  if (!isRecord(reply)) return String(reply);
  if (reply.error !== undefined) throw new Problem(403, `Failed to ${what}: ${String(reply.error)}`);
  return String(reply.ok ?? 'ok');
}

async function reasonOf(request: DashboardRequest): Promise<string | undefined> {
  return (await readParameters(request.req.raw)).textOr('reason', undefined);
}
