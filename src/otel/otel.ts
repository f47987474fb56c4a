// OpenTelemetry: a span for each send and each run, and the context of a trace in the headers of the messages, as Celery's instrumentation
// for Python writes and reads it.
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { App } from '../app/app.ts';
import { currentTask } from '../app/running/context.ts';
import { Ignore, Reject, Replaced, Retry } from '../app/running/outcome.ts';
import type { BoundTask } from '../app/task.ts';
import { version } from '../lib/version.ts';
import type { OutgoingCall } from '../sending/send-layers.ts';
import { RecentContexts } from './recent-contexts.ts';

/** Options of `instrument`. */
export interface InstrumentOptions {
  /** Default: the tracer `umbel` of the global provider, whichever that is when a span begins. */
  readonly tracer?: Tracer;
}

/**
 * Traces an application: each send is a span of kind producer, each run one of kind consumer whose parent is the send, also between
 * TypeScript and Python. The lines that tasks log have `trace_id` and `span_id`. Without an SDK in the process it does nothing. The module of the application calls it, so that the children of pools
 * do so, too.
 * @example
 * const app = new App('shop');
 * instrument(app);
 */
export function instrument(app: App, options: InstrumentOptions = {}): void {
  const tracer = (): Tracer => options.tracer ?? trace.getTracer('umbel', version);
  const [system = ''] = app.config.broker.split(':', 1);
  const recent = new RecentContexts();
  // What a worker sends with the end of a task belongs to that task's trace, also when the task ran in a process of a pool.
  app.signals.taskReceived.connect(({ request: { id, headers } }) => recent.set(id, contextIn(headers)));

  app.use({
    logFields: traceFields,

    send: (calls, next) => {
      const attributes = { ...attributesOf(system, 'send'), ...attributesOfCalls(calls) };
      const name = `send ${calls.length === 1 ? calls[0]?.message.task : (calls[0]?.queue ?? '')}`;
      const parent = parentOf(calls, recent);
      return tracer().startActiveSpan(name, { kind: SpanKind.PRODUCER, attributes }, parent, async (span) => {
        for (const { headers } of calls) propagation.inject(context.active(), headers);
        try {
          await next();
        } catch (error) {
          failed(span, error);
          throw error;
        } finally {
          span.end();
        }
      });
    },

    run: (task, next) => {
      const { request } = task;
      const attributes = { ...attributesOf(system, 'process'), ...attributesOfRun(task) };
      const sent = contextIn(request.headers);
      // What `apply` runs has no message: it is a part of what called it.
      const parent = request.isEager ? context.active() : sent;
      const name = `process ${task.name}`;
      return tracer().startActiveSpan(name, { kind: SpanKind.CONSUMER, attributes }, parent, async (span) => {
        recent.set(request.id, context.active());
        try {
          const value = await next();
          span.setAttribute('celery.state', 'SUCCESS');
          return value;
        } catch (error) {
          const state = stateOf(error);
          span.setAttribute('celery.state', state);
          if (state === 'FAILURE') failed(span, error);
          throw error;
        } finally {
          span.end();
        }
      });
    },
  });
}

/** The running code's context, else that of the task with whose end a worker sends these calls. */
function parentOf(calls: readonly OutgoingCall[], recent: RecentContexts): Context {
  const active = context.active();
  if (currentTask() !== undefined) return active;
  const parentId = calls[0]?.message.parentId ?? null;
  return (parentId === null ? undefined : recent.get(parentId)) ?? active;
}

/** The names of OpenTelemetry's conventions for logs. */
function traceFields(): object {
  const span = trace.getSpanContext(context.active());
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}

function contextIn(headers: object): Context {
  return propagation.extract(ROOT_CONTEXT, headers);
}

/** The conventions of OpenTelemetry for messaging, and the names of Celery's instrumentation beside them. */
function attributesOf(system: string, operation: 'send' | 'process'): Attributes {
  return {
    'messaging.system': systems[system] ?? system,
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'celery.action': operation === 'send' ? 'apply_async' : 'run',
  };
}

/** By the scheme of a broker's URL. */
const systems: Readonly<Record<string, string>> = {
  amqp: 'rabbitmq',
  amqps: 'rabbitmq',
  pyamqp: 'rabbitmq',
  rediss: 'redis',
};

function attributesOfCalls(calls: readonly OutgoingCall[]): Attributes {
  const [first] = calls;
  if (first === undefined) return {};
  const { message, queue } = first;
  const to = {
    'messaging.destination.name': queue,
    'messaging.message.conversation_id': message.rootId ?? '',
  };
  return calls.length === 1
    ? { ...to, 'messaging.message.id': message.id, 'celery.task_name': message.task }
    : { ...to, 'messaging.batch.message_count': calls.length };
}

function attributesOfRun({ name, request }: BoundTask): Attributes {
  return {
    'messaging.destination.name': request.queue,
    'messaging.message.id': request.id,
    'messaging.message.conversation_id': request.rootId,
    'celery.task_name': name,
    'celery.retries': request.retries,
    'celery.hostname': request.hostname,
  };
}

function stateOf(error: unknown): string {
  if (error instanceof Retry) return 'RETRY';
  if (error instanceof Ignore || error instanceof Replaced) return 'IGNORED';
  return error instanceof Reject ? 'REJECTED' : 'FAILURE';
}

function failed(span: Span, thrown: unknown): void {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  span.recordException(error);
  span.setAttribute('error.type', error.name);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}
