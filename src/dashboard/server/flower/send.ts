// Flower's routes that send tasks. Bodies are read as JSON with any Content-Type, because curl -d sends the type of a form.
import type { SendOptions } from '../../../config/call-options.ts';
import { camel } from '../../../config/spelling.ts';
import { ConfigError, UnknownOptionError } from '../../../errors.ts';
import { Problem } from '../../../http/problem.ts';
import { readJson } from '../../../http/request-body.ts';
import { isRecord } from '../../../lib/narrow.ts';
import { isReady } from '../../../protocol/result-meta.ts';
import type { DashboardContext, DashboardRequest } from '../context.ts';
import { checkedName } from './parameters.ts';
import { type FlowerRoute, type FlowerState, json, pathName } from './route.ts';
import { ended, requireResults, resultView } from './tasks.ts';

const maxBodySize = 1024 * 1024;

/** Waits for the result, at most ten minutes. */
const apply: FlowerRoute = {
  method: 'POST',
  path: '/api/task/apply/:name{.+}',
  right: 'send',
  async handle(request, flower) {
    await checkTask(pathName(request), flower);
    await requireResults(flower.context);
    const id = await send(request, flower.context);
    const record = await ended(request, flower.context, id);
    if (record === undefined || !isReady(record.status))
      throw new Problem(504, `the task ${id} was sent and has not ended yet; see /api/task/result/${id}`);
    return json(request, resultView(id, record, 'apply'));
  },
};

const asyncApply: FlowerRoute = {
  method: 'POST',
  path: '/api/task/async-apply/:name{.+}',
  right: 'send',
  async handle(request, flower) {
    await checkTask(pathName(request), flower);
    return sent(request, flower.context, await send(request, flower.context));
  },
};

/** Sends a task of any name, also one that no worker has registered. */
const sendTask: FlowerRoute = {
  method: 'POST',
  path: '/api/task/send-task/:name{.+}',
  right: 'send',
  handle: async (request, { context }) => sent(request, context, await send(request, context)),
};

export const sendRoutes: readonly FlowerRoute[] = [apply, asyncApply, sendTask];

/** @throws Problem 404 when neither the application nor a worker has registered the task */
export async function checkTask(name: string, { context, workers }: FlowerState): Promise<void> {
  if (context.app.tasks.has(name) || (await workers.isRegistered(name))) return;
  throw new Problem(404, `Unknown task '${name}'`);
}

async function sent(request: DashboardRequest, { app }: DashboardContext, id: string): Promise<Response> {
  if ((await app.backend()) === null) return json(request, { 'task-id': id });
  const record = await app.result(id).record();
  return json(request, { 'task-id': id, state: record?.status ?? 'PENDING' });
}

/** @throws Problem 400 for a malformed body, or an option that Celery does not have */
async function send(request: DashboardRequest, { app }: DashboardContext): Promise<string> {
  const name = pathName(request);
  const { value = {} } = await readJson(request.req.raw, maxBodySize, { anyType: true });
  const { args, options } = callIn(value);
  await app.broker();
  await request.var.audit('task.send', name);
  try {
    return (await app.send(name, args, options)).id;
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UnknownOptionError)
      throw new Problem(400, error.message, { code: error.code, cause: error });
    throw error;
  }
}

function callIn(body: unknown): { readonly args: readonly unknown[]; readonly options: SendOptions } {
  if (!isRecord(body)) throw new Problem(400, 'the body must be an object: {"args": [2, 3], "kwargs": {}}');
  const { args = [], kwargs = {}, eta, expires, ...rest } = body;
  if (!Array.isArray(args)) throw new Problem(400, "'args' must be a list");
  if (!isRecord(kwargs)) throw new Problem(400, "'kwargs' must be an object");
  const options: Record<string, unknown> = { kwargs };
  for (const [name, value] of Object.entries(rest))
    if (value !== null)
      options[camel(name)] = typeof value === 'string' ? checkedName(value, `'${name}'`) : value;
  if (eta !== undefined && eta !== null) options.eta = timeOf('eta', eta);
  if (expires !== undefined && expires !== null)
    options.expires = typeof expires === 'number' ? expires : timeOf('expires', expires);
  return { args, options }; // each option is checked where it is used
}

/** Reads Flower's format `2026-11-22 03:12:00.000000` (UTC, as Celery reads it) and ISO 8601. */
function timeOf(name: string, value: unknown): Date {
  const [, day, time, zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-]\d\d:\d\d)?$/.exec(
      typeof value === 'string' ? value : '',
    ) ?? [];
  const at = new Date(`${day}T${time}${zone}`);
  if (Number.isNaN(at.getTime()))
    throw new Problem(400, `'${name}' must be a time like 2026-11-22 03:12:00.000000 (UTC), or ISO 8601`);
  return at;
}
