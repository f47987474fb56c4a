// Resolves everything about a call: options of the call, routes, the task's own options, the configuration.
import { hostname } from 'node:os';
import { type CallOptions, noOptions } from '../config/call-options.ts';
import { compression as anyCompression, checkDate, checkLimit, checkSerializer } from '../config/checks.ts';
import { checkLimits } from '../config/config.ts';
import { checkNamed, type Priority, type PriorityScale, priorityNumber } from '../config/priority.ts';
import { checkRetryOptions, type RetryOptions } from '../config/retry-options.ts';
import type { RouteOptions } from '../config/router.ts';
import type { TaskCallOptions } from '../config/sendable-task.ts';
import { type Duration, toMs, toSeconds } from '../lib/duration.ts';
import { readValue } from '../lib/schema.ts';
import { uuid7 } from '../lib/uuid.ts';
import type { Embed, Json, TaskMessage } from '../protocol/message.ts';
import { reprArgs, saferepr } from '../protocol/saferepr.ts';
import type { SerializerName } from '../protocol/serializers.ts';
import { taskScope } from '../results/task-scope.ts';
import { scaleOf } from './address.ts';
import { noKwargs } from './arguments.ts';
import { destinationOf } from './destination.ts';
import type { SendingApp } from './sending-app.ts';

/** How a message is encoded. */
export interface Encoding {
  readonly serializer: SerializerName;
  readonly compression: string | null;
  /** `''`: directly to the queue. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** A call with everything resolved. */
export interface PreparedCall {
  readonly message: TaskMessage;
  readonly queue: string;
  readonly encoding: Encoding;
  /** As it was given. */
  readonly priority: Priority;
}

/**
 * Resolves everything about a call: first the options of the call (which are checked already), then the routes, then the task's own options,
 * then the configuration.
 * @throws ConfigError
 */
export function prepareCall(
  app: SendingApp,
  name: string,
  args: readonly unknown[],
  kwargs: Json,
  options: CallOptions,
  task: TaskCallOptions,
  parentPriority: number | null = taskScope.getStore()?.request.priority ?? null,
): PreparedCall {
  const route: RouteOptions = app.router.empty
    ? noOptions
    : (app.router.route(name, args, kwargs, options) ?? noOptions);
  const where = `the call of '${name}'`;
  const now = Date.now();
  const id = options.taskId ?? uuid7(now);
  const parent = taskScope.getStore()?.request;
  const { taskDefaultQueue, taskDefaultPriority, taskInheritParentPriority } = app.config;
  const to = destinationOf(options, route, task.queue, taskDefaultQueue, app.topology);
  const timeLimit = limit('timeLimit', options.timeLimit ?? route.timeLimit, task.sent.timeLimit, where);
  const softTimeLimit = limit(
    'softTimeLimit',
    options.softTimeLimit ?? route.softTimeLimit,
    task.sent.softTimeLimit,
    where,
  );
  checkLimits(where, timeLimit, softTimeLimit);
  const inherited = taskInheritParentPriority ? parentPriority : null;
  const priority =
    options.priority ?? route.priority ?? task.priority ?? inherited ?? taskDefaultPriority ?? 0;
  const message: TaskMessage = {
    id,
    task: name,
    args,
    kwargs,
    embed: nothingNext,
    lang: 'js',
    shadow: options.shadow ?? null,
    eta: etaOf(options, now, where),
    expires: expiresAt(options.expires ?? route.expires ?? task.expires, now, where),
    group: options.groupId ?? null,
    groupIndex: options.groupIndex ?? null,
    retries: 0,
    timeLimit,
    softTimeLimit,
    rootId: options.rootId ?? parent?.rootId ?? id,
    parentId: options.parentId ?? parent?.id ?? null,
    argsrepr: options.argsrepr ?? reprArgs(args),
    kwargsrepr: options.kwargsrepr ?? (kwargs === noKwargs ? '{}' : saferepr(kwargs)),
    origin,
    ignoreResult: options.ignoreResult ?? route.ignoreResult ?? task.ignoreResult,
    replacedTaskNesting: 0,
    stampedHeaders: null,
    stamps: noKwargs,
    headers: options.headers ?? noKwargs,
    correlationId: id,
    replyTo: options.replyTo ?? '',
    priority: numberOf(app, priority, to.queue, where),
    persistent: options.deliveryMode !== 1,
  };
  const serializer = options.serializer ?? route.serializer;
  const compression = options.compression === undefined ? route.compression : options.compression;
  return {
    message,
    queue: to.queue,
    priority,
    encoding: {
      serializer: serializer === undefined ? task.serializer : checkSerializer(serializer, where),
      compression:
        compression === undefined
          ? task.compression
          : readValue(anyCompression, compression, `'compression' in ${where}`),
      exchange: to.exchange,
      routingKey: to.routingKey,
    },
  };
}

/**
 * The message that repeats a task: the same id, one more retry, the task itself as its parent (as in Celery), and the options of the retry.
 * Its queue is `retry.options.queue`, else the queue it came from.
 */
export function retryMessage(
  message: TaskMessage,
  { at, options }: { readonly at: Date; readonly options: RetryOptions },
  now: number = Date.now(),
  scale: PriorityScale = embeddedScale,
): TaskMessage {
  const where = `the retry of '${message.task}'`;
  checkRetryOptions(message.task, options);
  return {
    ...message,
    retries: message.retries + 1,
    parentId: message.id,
    eta: at,
    ...(options.args && { args: options.args, argsrepr: reprArgs(options.args) }),
    ...(options.kwargs && { kwargs: options.kwargs, kwargsrepr: saferepr(options.kwargs) }),
    ...(options.priority !== undefined && { priority: priorityNumber(options.priority, scale) }),
    ...(options.expires !== undefined && { expires: expiresAt(options.expires, now, where) }),
    ...(options.timeLimit !== undefined && { timeLimit: options.timeLimit }),
    ...(options.softTimeLimit !== undefined && { softTimeLimit: options.softTimeLimit }),
  };
}

/**
 * The number of a priority where this application sends its calls, as far as it is known (see {@link addressedCall}).
 * @throws ConfigError for a name, if the application does not set the priority of calls that have none
 */
function numberOf(app: SendingApp, priority: Priority, queue: string, where: string): number {
  if (typeof priority === 'number') return priority;
  checkNamed(priority, app.config.taskDefaultPriority, `'priority' in ${where}`);
  return priorityNumber(priority, scaleOf(app, queue));
}

const embeddedScale: PriorityScale = { priorityOrder: 'lowest-first', maxPriority: null };

const nothingNext: Embed = { callbacks: null, errbacks: null, chain: null, chord: null };

/** Celery's form of the sender's name for programs that are no workers. */
const origin = `gen${process.pid}@${hostname()}`;

function etaOf({ countdown, eta }: CallOptions, now: number, where: string): Date | null {
  if (countdown === undefined) return eta ?? null;
  const delayMs = toMs(countdown, `'countdown' in ${where}`);
  return delayMs > 0 ? checkDate(now + delayMs, `'countdown' in ${where}`) : null;
}

function expiresAt(expires: Date | Duration | null, now: number, where: string): Date | null {
  if (expires === null || expires instanceof Date) return expires;
  return checkDate(now + toMs(expires, `'expires' in ${where}`), `'expires' in ${where}`);
}

function limit(
  option: string,
  given: Duration | undefined,
  own: number | null,
  where: string,
): number | null {
  if (given === undefined) return own;
  const what = `'${option}' in ${where}`;
  return checkLimit(toSeconds(given, what), what);
}
