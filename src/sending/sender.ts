// From a call to a message on its way.
import { hostname } from 'node:os';
import { type CallOptions, noOptions } from '../config/call-options.ts';
import { checkCompression, checkDate, checkLimit, checkSerializer } from '../config/checks.ts';
import { checkLimits } from '../config/config.ts';
import { checkNamed, type Priority, type PriorityScale, priorityNumber } from '../config/priority.ts';
import { checkRetryOptions, type RetryOptions } from '../config/retry-options.ts';
import type { RouteOptions } from '../config/router.ts';
import type { TaskCallOptions } from '../config/sendable-task.ts';
import { PayloadTooLargeError } from '../errors.ts';
import { type Duration, toMs, toSeconds } from '../lib/duration.ts';
import { uuid7 } from '../lib/uuid.ts';
import { compress } from '../protocol/compression.ts';
import { encodeJson } from '../protocol/json.ts';
import type { Embed, Json, TaskMessage, WireMessage } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { reprArgs, saferepr } from '../protocol/saferepr.ts';
import type { SerializerName } from '../protocol/serializers.ts';
import { encodeTask } from '../protocol/task.ts';
import { taskScope } from '../results/task-scope.ts';
import type { ExchangeAddress, Publication } from '../stores/transport.ts';
import { destinationOf } from './destination.ts';
import type { SendingApp } from './sending-app.ts';

/** How a message is written down. */
export interface Encoding {
  readonly serializer: SerializerName;
  readonly compression: string | null;
  /** `''`: straight to the queue. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** A call with everything decided. */
export interface PreparedCall {
  readonly message: TaskMessage;
  readonly queue: string;
  readonly encoding: Encoding;
  /** As it was said. */
  readonly priority: Priority;
}

/**
 * Decides everything about a call: options of the call (checked before), then what the routes say, then the task's
 * own, then the configuration.
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
      compression: compression === undefined ? task.compression : checkCompression(compression, where),
      exchange: to.exchange,
      routingKey: to.routingKey,
    },
  };
}

/**
 * A call as it travels.
 * @throws NotSerializableError with the path, PayloadTooLargeError above `maxMessageSize`.
 */
export function encodeCall(app: SendingApp, message: TaskMessage, encoding: Encoding): WireMessage {
  const { serializer, exchange, routingKey } = encoding;
  const wire = encodeTask(message, { serializer, exchange, routingKey });
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
export function toPublication(app: SendingApp, message: TaskMessage, queue: string): Publication {
  const options = app.tasks.get(message.task)?.options ?? app.defaults;
  const encoding: Encoding = {
    serializer: options.serializer,
    compression: options.compression,
    exchange: '',
    routingKey: queue,
  };
  const call: PreparedCall = { message, queue, encoding, priority: message.priority };
  return withRecord(app, call, encodeCall(app, message, encoding));
}

/**
 * The message that repeats a task: the same id, one more retry, its own parent (as Celery's), and what the retry says.
 * Its queue is `retry.options.queue`, else the old one.
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

export const noKwargs: Json = Object.freeze({});

/** A call and its message. */
export interface EncodedCall {
  readonly prepared: PreparedCall;
  readonly wire: WireMessage;
}

/**
 * What is only known when the stores are open: where the result is to be sent, if it travels as a message, and, if they
 * were not open before, the number that a priority's name has there. All of it is outside of the body.
 */
export function addressedCall(app: SendingApp, call: EncodedCall): EncodedCall | Promise<EncodedCall> {
  const { prepared, wire } = call;
  const { message, priority, queue } = prepared;
  const number = priorityNumber(priority, scaleOf(app, queue));
  const ranked =
    number === message.priority ? call : { prepared, wire: withProperties(wire, { priority: number }) };
  const backend = app.stores?.backend;
  if (!backend?.replyTo || message.ignoreResult || message.replyTo !== '') return ranked;
  return backend.replyTo().then((replyTo) => ({ prepared, wire: withProperties(ranked.wire, { replyTo }) }));
}

function withProperties(wire: WireMessage, properties: Partial<WireMessage['properties']>): WireMessage {
  return { ...wire, properties: { ...wire.properties, ...properties } };
}

/**
 * A call as it is handed to the broker: one publication, or one for each queue where the broker has no exchanges.
 * @throws UnroutableError
 */
export function publicationsOf(
  app: SendingApp,
  { prepared: call, wire }: EncodedCall,
): readonly Publication[] {
  const { exchange: name, routingKey } = call.encoding;
  const publication = withRecord(app, call, wire);
  if (name === '' || publication.broadcast !== undefined) return [publication];
  const exchange: ExchangeAddress = { name, routingKey };
  if (app.stores?.transport.features.exchanges === true) return [{ ...publication, exchange }];
  const [first, ...others] = app.topology.route(exchange);
  const { write, ...copy } = publication;
  // The record that it was sent is one: with the second message it would say that there is one already.
  return [{ ...publication, queue: first ?? call.queue }, ...others.map((queue) => ({ ...copy, queue }))];
}

/** Attaches the record that a task was sent: what makes `exists()` and "never seen" two different answers. */
export function withRecord(
  app: SendingApp,
  { message, queue }: PreparedCall,
  wire: WireMessage,
): Publication {
  const { id, eta } = message;
  const broadcast = app.topology.broadcast(queue);
  if (broadcast !== undefined) return { id, queue, message: wire, eta, broadcast };
  if (message.retries > 0) return { id, queue, message: wire, eta };
  const publication: Publication = { id, queue, message: wire, eta, once: true };
  const stores = app.stores;
  if (message.ignoreResult || stores === null) return publication;
  const { transport, backend } = stores;
  if (backend === null || backend.store !== transport.store || !backend.features.remembersSent)
    return publication;
  const elsewhere = !app.tasks.get(message.task)?.run;
  return { ...publication, write: backend.writeOfSent(sentRecord(app, message, queue), elsewhere) };
}

/**
 * The number of a priority where this application sends its calls, as far as is known (see {@link addressedCall}).
 * @throws ConfigError for a name, if the application has not said which one calls without a priority have.
 */
function numberOf(app: SendingApp, priority: Priority, queue: string, where: string): number {
  if (typeof priority === 'number') return priority;
  checkNamed(priority, app.config.taskDefaultPriority, `'priority' in ${where}`);
  return priorityNumber(priority, scaleOf(app, queue));
}

export function scaleOf(app: SendingApp, queue: string): PriorityScale {
  const mostUrgent = app.stores?.transport.features.mostUrgent ?? 'lowest';
  return { mostUrgent, maxPriority: app.topology.queue(queue).maxPriority };
}

const embeddedScale: PriorityScale = { mostUrgent: 'lowest', maxPriority: null };

function sentRecord(app: SendingApp, message: TaskMessage, queue: string): ResultRecord {
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
