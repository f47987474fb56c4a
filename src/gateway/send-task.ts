import type { AnyTask } from '../app/task.ts';
import type { SendOptions } from '../config/call-options.ts';
import { ConfigError, InvalidArgumentsError, UnknownTaskError } from '../errors.ts';
import { Problem } from '../http/problem.ts';
import { readJson } from '../http/request-body.ts';
import { suggest } from '../lib/suggest.ts';
import { bindArguments } from '../sending/arguments.ts';
import { readCallQuery } from './call-query.ts';
import { remembersSent, requireBackend } from './find-record.ts';
import { claim, derivedId, fingerprint, idempotencyKeyOf, isClaim } from './idempotency.ts';
import { describeCalls } from './openapi.ts';
import { type GatewayState, type HttpRoute, json, type RequestContext, taskPath } from './route.ts';

/** `POST /tasks/{name}`: calls a task. (The parameter has the name that it has in `GET /tasks/:id`.) */
export const sendTask: HttpRoute = {
  method: 'POST',
  path: '/tasks/:id',
  handle,
  describe: ({ app }) => describeCalls(app),
};

async function handle(request: RequestContext, gateway: GatewayState): Promise<Response> {
  const { app, settings } = gateway;
  const name = request.req.param('id') ?? '';
  const task = app.tasks.get(name);
  if (task === undefined) throw new UnknownTaskError(name, suggest(name, app.tasks.names()));
  const query = new URL(request.req.url).searchParams;
  const { taskId, ...options } = readCallQuery(query);
  const key = idempotencyKeyOf(request.req.raw.headers);
  if (key !== null && taskId !== undefined) {
    throw new Problem(
      400,
      'the Idempotency-Key chooses the id of the call; leave out task_id, or the header',
    );
  }
  const { value, bytes } = await readJson(request.req.raw, settings.maxBodySize);
  const call = argumentsIn(task, value);
  const named = key === null ? taskId : derivedId(request.get('caller'), name, key);
  if (named === undefined) return accepted(request, gateway, task, await send(gateway, name, call, options));

  // Before the id is claimed: a call that does not fit may be corrected and sent again under the same key.
  await bindArguments(name, task.options, call.args, call.kwargs);
  await claimFor(gateway, named, key, fingerprint({ task: name, query, body: bytes }));
  // The record that it was sent is how a repetition is known, so it is kept even if the task ignores its result.
  const id = await send(gateway, name, call, { ...options, taskId: named, ignoreResult: false });
  return accepted(request, gateway, null, id);
}

interface Call {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** A keyword task takes its input as the body, a positional one `{"args": [2, 3]}`. No body: no arguments. */
function argumentsIn(task: AnyTask, body: unknown = {}): Call {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof Date) {
    throw new InvalidArgumentsError(task.name, [
      {
        path: '$',
        message:
          task.options.input === null
            ? 'must be an object with the positional arguments: {"args": [2, 3]}'
            : 'must be the object that the task takes',
      },
    ]);
  }
  const members = new Map(Object.entries(body));
  if (task.options.input !== null) return { args: [], kwargs: Object.fromEntries(members) };
  const args: unknown = members.get('args') ?? [];
  members.delete('args');
  const issues = [...members.keys()].map((member) => ({
    path: `$[${JSON.stringify(member)}]`,
    message: 'the task takes positional arguments: {"args": [2, 3]}',
  }));
  if (!Array.isArray(args)) issues.push({ path: '$.args', message: 'must be a list' });
  if (!Array.isArray(args) || issues.length > 0) throw new InvalidArgumentsError(task.name, issues);
  return { args, kwargs: {} };
}

/** Makes the id this request's own. @throws Problem 400, 409, 422 */
async function claimFor(gateway: GatewayState, id: string, key: string | null, print: string): Promise<void> {
  const backend = await requireBackend(gateway);
  if (!(await remembersSent(gateway, backend))) {
    throw new Problem(
      400,
      `${key === null ? 'task_id' : 'Idempotency-Key'} needs a broker and a result backend that are one store; these are not, so a repetition could not be known`,
    );
  }
  if (isClaim(id)) throw new Problem(400, `task_id '${id}' is kept for the gateway's own use`);
  const isSent = (await backend.get(id)) !== undefined;
  const isOurs = await claim(backend, id, print, { onlyIfMade: isSent });
  if (isOurs) return;
  if (key === null) throw new Problem(409, `another call has the id '${id}'; choose a new one`);
  throw new Problem(
    422,
    'this Idempotency-Key was used for another request, or so long ago that the request is not known any more; use a new key',
  );
}

async function send(gateway: GatewayState, name: string, call: Call, options: SendOptions): Promise<string> {
  // Opened first: wrong settings of the store are not the client's fault; later ConfigErrors are.
  await gateway.app.broker();
  try {
    return (await gateway.app.send(name, call.args, { ...options, kwargs: call.kwargs })).id;
  } catch (error) {
    if (error instanceof ConfigError)
      throw new Problem(400, error.message, { code: error.code, cause: error });
    throw error;
  }
}

/** `task`: its options say whether there will be a result; `null`: there will be one. */
function accepted(
  request: RequestContext,
  gateway: GatewayState,
  task: AnyTask | null,
  id: string,
): Response {
  const self = taskPath(gateway, id);
  const isKept = !task?.options.ignoreResult;
  const links = isKept ? { self, result: `${self}/result`, events: `${self}/events` } : {};
  const body = { id, task: request.req.param('id'), status: 'PENDING', links };
  return json(request, 202, body, isKept ? { Location: self } : {});
}
