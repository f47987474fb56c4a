// Flower's routes that revoke or abort a task, and set the limits of a task name.
import { constants } from 'node:os';
import { Problem } from '../../../http/problem.ts';
import { readRegistered } from '../../../protocol/registered-task.ts';
import { isReady } from '../../../protocol/result-meta.ts';
import { readParameters } from './parameters.ts';
import { checkWorker, type FlowerRoute, type FlowerState, message, pathName } from './route.ts';
import { checkTask } from './send.ts';
import { requireResults } from './tasks.ts';
import { order } from './workers.ts';

const revoke: FlowerRoute = {
  method: 'POST',
  path: '/api/task/revoke/:name{.+}',
  right: 'revoke',
  async handle(request, { context }) {
    const id = pathName(request);
    const parameters = await readParameters(request.req.raw);
    const terminate = parameters.flag('terminate', false);
    const signalName = parameters.textOr('signal', 'SIGTERM').toUpperCase();
    if (!Object.hasOwn(constants.signals, signalName))
      throw new Problem(
        422,
        `'signal' must be a signal's name like SIGTERM, not '${signalName.slice(0, 50)}'`,
      );
    const action = terminate ? 'task.terminate' : 'task.revoke';
    await request.var.audit(action, id, parameters.textOr('reason', undefined));
    // Waits until all living workers have replied. Other workers read the stored revocation when they start.
    const limit = Math.max(1, context.cluster.aliveWorkers().length);
    const { inspectTimeout: timeout } = context.settings;
    await context.control.revoke(id, { terminate, signalName, timeout, limit });
    return message(request, `Revoked '${id}'`);
  },
};

/** Sets the state ABORTED, which Python's AbortableTask reads. */
const abort: FlowerRoute = {
  method: 'POST',
  path: '/api/task/abort/:name{.+}',
  right: 'revoke',
  async handle(request, { context }) {
    const id = pathName(request);
    const reason = (await readParameters(request.req.raw)).textOr('reason', undefined);
    await requireResults(context);
    const backend = await context.app.backend();
    const record = await backend?.get(id);
    if (record !== undefined && isReady(record.status))
      throw new Problem(409, `the task '${id}' has ended as ${record.status}`);
    await request.var.audit('task.abort', id, reason);
    await backend?.put({
      taskId: id,
      status: 'ABORTED',
      result: null,
      traceback: null,
      children: record?.children ?? [],
      dateDone: null,
    });
    return message(request, `Aborted '${id}'`);
  },
};

const rateLimit: FlowerRoute = {
  method: 'POST',
  path: '/api/task/rate-limit/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const task = pathName(request);
    const parameters = await readParameters(request.req.raw);
    const name = parameters.text('workername');
    const rate = parameters.text('ratelimit');
    if (!/^\d+(?:\.\d+)?(?:\/[smh])?$/.test(rate))
      throw new Problem(422, `'ratelimit' must be a rate like 5, 10/m or 100/h (0: no limit), not '${rate}'`);
    await checkTask(task, flower);
    const worker = await checkWorker(name, flower);
    const reason = parameters.textOr('reason', undefined);
    await request.var.audit('task.rate-limit', `${task} ${rate} on ${worker}`, reason);
    const args = { task_name: task, rate_limit: rate };
    return message(request, await order(flower, worker, 'rate_limit', args, 'set rate limit'));
  },
};

/** A missing limit stays unchanged; 0 removes it. The command always has both limits, so the other one is read from the worker first. */
const timeout: FlowerRoute = {
  method: 'POST',
  path: '/api/task/timeout/:name{.+}',
  right: 'workers',
  async handle(request, flower) {
    const task = pathName(request);
    const parameters = await readParameters(request.req.raw);
    const name = parameters.text('workername');
    const [soft, hard] = [parameters.seconds('soft'), parameters.seconds('hard')];
    if (soft === null && hard === null) throw new Problem(422, "the parameter 'soft' or 'hard' is missing");
    await checkTask(task, flower);
    const worker = await checkWorker(name, flower);
    const known = soft === null || hard === null ? await limitsOf(flower, worker, task) : null;
    const limits = { soft: (soft ?? known?.soft) || null, hard: (hard ?? known?.hard) || null };
    if (limits.soft !== null && limits.hard !== null && limits.soft > limits.hard)
      throw new Problem(
        422,
        `the soft limit (${limits.soft} s) would be above the hard limit (${limits.hard} s)`,
      );
    const target = `${task} soft=${limits.soft} hard=${limits.hard} on ${worker}`;
    await request.var.audit('task.timeout', target, parameters.textOr('reason', undefined));
    const args = { task_name: task, ...limits };
    return message(request, await order(flower, worker, 'time_limit', args, 'set timeouts'));
  },
};

export const taskControlRoutes: readonly FlowerRoute[] = [revoke, abort, rateLimit, timeout];

/** The worker's current limits of the task, seconds. @throws Problem 504 */
async function limitsOf(
  { context }: FlowerState,
  worker: string,
  task: string,
): Promise<{ readonly soft: number | null; readonly hard: number | null }> {
  const inspect = context.control.inspect({
    destination: [worker],
    timeout: context.settings.inspectTimeout,
  });
  const { replies } = await inspect.registered('soft_time_limit', 'time_limit');
  const found = readRegistered(replies.get(worker)).find(({ name }) => name === task);
  if (found === undefined)
    throw new Problem(504, `the worker '${worker}' did not say which limits '${task}' has; give both`);
  const limit = (name: string): number | null => Number.parseFloat(found.attributes[name] ?? '') || null;
  return { soft: limit('soft_time_limit'), hard: limit('time_limit') };
}
