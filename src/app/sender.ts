// From a call to a message on its way.
import { hostname } from 'node:os';
import { BrokerUnavailable, PayloadTooLargeError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { type Duration, toMs, toSeconds } from '../lib/duration.ts';
import { uuid7 } from '../lib/uuid.ts';
import { compress } from '../protocol/compression.ts';
import { encodeJson } from '../protocol/json.ts';
import type { Embed, Json, TaskMessage, WireMessage } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { reprArgs, saferepr } from '../protocol/saferepr.ts';
import type { SerializerName } from '../protocol/serializers.ts';
import { encodeTask } from '../protocol/task.ts';
import type { Publication, Transport } from '../transports/transport.ts';
import type { App } from './app.ts';
import { type CallOptions, noOptions, type RetryPolicy } from './call-options.ts';
import { checkCompression, checkDate, checkLimit, checkSerializer } from './checks.ts';
import { checkLimits } from './config.ts';
import { currentTask } from './context.ts';
import type { Retry } from './outcome.ts';
import { checkRetryOptions } from './retry.ts';
import type { RouteOptions } from './router.ts';
import type { ResolvedTaskOptions } from './task-options.ts';

/** How a message is written down. */
export interface Encoding {
  readonly serializer: SerializerName;
  readonly compression: string | null;
  readonly exchange: string;
  /** `null`: the queue. */
  readonly routingKey: string | null;
}

/** A call with everything decided. */
export interface PreparedCall {
  readonly message: TaskMessage;
  readonly queue: string;
  readonly encoding: Encoding;
}

/**
 * Decides everything about a call: options of the call (checked before), then what the routes say, then the task's
 * own, then the configuration.
 * @throws ConfigError
 */
export function prepareCall(
  app: App,
  name: string,
  args: readonly unknown[],
  kwargs: Json,
  options: CallOptions,
  task: ResolvedTaskOptions,
): PreparedCall {
  const route: RouteOptions = app.router.empty
    ? noOptions
    : (app.router.route(name, args, kwargs, options) ?? noOptions);
  const where = `the call of '${name}'`;
  const now = Date.now();
  const id = options.taskId ?? uuid7(now);
  const parent = currentTask()?.request;
  const routingKey = options.routingKey ?? route.routingKey ?? null;
  const timeLimit = limit('timeLimit', options.timeLimit ?? route.timeLimit, task.sent.timeLimit, where);
  const softTimeLimit = limit(
    'softTimeLimit',
    options.softTimeLimit ?? route.softTimeLimit,
    task.sent.softTimeLimit,
    where,
  );
  checkLimits(where, timeLimit, softTimeLimit);
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
    priority: options.priority ?? route.priority ?? task.priority ?? app.config.taskDefaultPriority ?? 0,
    persistent: options.deliveryMode !== 1,
  };
  const queue =
    options.queue ??
    options.routingKey ??
    route.queue ??
    route.routingKey ??
    task.queue ??
    app.config.taskDefaultQueue;
  const serializer = options.serializer ?? route.serializer;
  const compression = options.compression === undefined ? route.compression : options.compression;
  return {
    message,
    queue,
    encoding: {
      serializer: serializer === undefined ? task.serializer : checkSerializer(serializer, where),
      compression: compression === undefined ? task.compression : checkCompression(compression, where),
      exchange: options.exchange ?? route.exchange ?? '',
      routingKey,
    },
  };
}

/**
 * A call as it travels.
 * @throws NotSerializableError with the path, PayloadTooLargeError above `maxMessageSize`.
 */
export function encodeCall(app: App, message: TaskMessage, queue: string, encoding: Encoding): WireMessage {
  const { serializer, exchange } = encoding;
  const wire = encodeTask(message, { serializer, exchange, routingKey: encoding.routingKey ?? queue });
  let size = wire.body.length;
  // Written here once for nothing else than to find out, before anything is sent, that they can be.
  if (message.headers !== noKwargs) size += encodeJson(message.headers, '$headers').length;
  const { maxMessageSize } = app.config;
  // Before compression: the reader's limit is on what comes out.
  if (size > maxMessageSize)
    throw new PayloadTooLargeError(`the call of '${message.task}'`, size, maxMessageSize);
  if (encoding.compression === null) return wire;
  const { body, mime } = compress(wire.body, encoding.compression);
  return { ...wire, body, headers: { ...wire.headers, compression: mime } };
}

/**
 * A message with its way. With a first call goes the record that it was sent, if broker and backend share a store.
 * The stores must be open (`await app.broker()`).
 * @throws NotSerializableError, PayloadTooLargeError
 */
export function toPublication(app: App, message: TaskMessage, queue: string): Publication {
  const options = app.tasks.get(message.task)?.options ?? app.defaults;
  const encoding: Encoding = {
    serializer: options.serializer,
    compression: options.compression,
    exchange: '',
    routingKey: null,
  };
  return withRecord(app, { message, queue, encoding }, encodeCall(app, message, queue, encoding));
}

/**
 * The message that repeats a task: the same id, one more retry, its own parent (as Celery's), and what the retry says.
 * Its queue is `retry.options.queue`, else the old one.
 */
export function retryMessage(
  message: TaskMessage,
  { at, options }: Retry,
  now: number = Date.now(),
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
    ...(options.priority !== undefined && { priority: options.priority }),
    ...(options.expires !== undefined && { expires: expiresAt(options.expires, now, where) }),
    ...(options.timeLimit !== undefined && { timeLimit: options.timeLimit }),
    ...(options.softTimeLimit !== undefined && { softTimeLimit: options.softTimeLimit }),
  };
}

/**
 * Hands calls to the broker, and tries again as the options say while it refuses.
 * @throws BrokerUnavailable, or the reason of `options.signal`: then nothing was sent.
 */
export async function publishCalls(
  transport: Transport,
  publications: readonly Publication[],
  options: CallOptions,
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  for (let failures = 0; ; failures++) {
    try {
      return await transport.publish(publications);
    } catch (error) {
      if (!(error instanceof BrokerUnavailable) || options.retry === false) throw error;
      const delayMs = publishDelayMs(options.retryPolicy ?? {}, failures);
      if (delayMs === null) throw error;
      await systemClock.sleep(delayMs, signal);
    }
  }
}

export const noKwargs: Json = Object.freeze({});

/** Attaches the record that a task was sent: what makes `exists()` and "never seen" two different answers. */
export function withRecord(app: App, { message, queue }: PreparedCall, wire: WireMessage): Publication {
  const publication: Publication = { id: message.id, queue, message: wire, eta: message.eta };
  const stores = app.stores;
  if (message.ignoreResult || message.retries > 0 || stores === null) return publication;
  const { transport, backend } = stores;
  if (backend === null || backend.store !== transport.store || !backend.features.remembersSent)
    return publication;
  return { ...publication, write: backend.writeOfSent(sentRecord(app, message, queue)) };
}

function sentRecord(app: App, message: TaskMessage, queue: string): ResultRecord {
  const record: ResultRecord = {
    taskId: message.id,
    status: 'PENDING',
    result: null,
    traceback: null,
    children: [],
    dateDone: null,
    groupId: message.group,
    parentId: message.parentId,
  };
  if (!app.config.resultExtended) return record;
  return {
    ...record,
    name: message.task,
    args: message.args,
    kwargs: message.kwargs,
    worker: null,
    retries: 0,
    queue,
  };
}

const nothingNext: Embed = { callbacks: null, errbacks: null, chain: null, chord: null };

/** Celery's form for who is no worker. */
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

function publishDelayMs(policy: RetryPolicy, failures: number): number | null {
  const { maxRetries = 3, intervalStart = 0, intervalStep = 0.2, intervalMax = 1 } = policy;
  if (maxRetries !== null && failures >= maxRetries) return null;
  return Math.min(toMs(intervalMax), toMs(intervalStart) + failures * toMs(intervalStep));
}
