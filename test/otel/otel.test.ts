import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chain, chord } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { instrument } from '../../src/otel/otel.ts';
import { drain } from '../../src/testing/drain.ts';
import { MemoryLog } from '../worker/memory-log.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
});
afterAll(async () => {
  trace.disable();
  propagation.disable();
  context.disable();
  await provider.shutdown();
});
beforeEach(() => exporter.reset());

function traced(): App {
  const app = new App('shop', { broker: 'memory://', backend: 'memory://' });
  instrument(app);
  return app;
}

/** Each span with its parent's name, in the order of their ends. */
function tree(): string[] {
  const spans = exporter.getFinishedSpans();
  const nameOf = (id: string | undefined) => spans.find((span) => span.spanContext().spanId === id)?.name;
  return spans.map((span) => `${span.name} < ${nameOf(span.parentSpanContext?.spanId) ?? 'none'}`);
}

function spanOf(name: string): ReadableSpan {
  const found = exporter.getFinishedSpans().find((span) => span.name === name);
  if (found === undefined) throw new Error(`no span ${name}`);
  return found;
}

const inSpan = <T>(name: string, body: (span: Span) => Promise<T>): Promise<T> =>
  provider.getTracer('test').startActiveSpan(name, async (span) => {
    try {
      return await body(span);
    } finally {
      span.end();
    }
  });

test('a send is a child of what sends, a run is a child of the send, and what a task does is in its run', async () => {
  await using app = traced();
  const inner = app.task('inner', () => inSpan('query', async () => 1));
  const outer = app.task('outer', async () => void (await inner.delay()));
  await inSpan('request', async () => void (await outer.delay()));
  await drain(app);
  expect(tree().sort()).toEqual([
    'process inner < send inner',
    'process outer < send outer',
    'query < process inner',
    'request < none',
    'send inner < process outer',
    'send outer < request',
  ]);
  expect(new Set(exporter.getFinishedSpans().map((span) => span.spanContext().traceId)).size).toBe(1);
});

test('spans say what they are, by the conventions for messaging', async () => {
  await using app = traced();
  const add = app.task('add', { queue: 'sums' }, (x: number, y: number) => x + y);
  const { id } = await add.delay(2, 3);
  await drain(app);
  expect(spanOf('send add')).toMatchObject({
    kind: SpanKind.PRODUCER,
    attributes: {
      'messaging.system': 'memory',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'sums',
      'messaging.message.id': id,
      'messaging.message.conversation_id': id,
      'celery.action': 'apply_async',
      'celery.task_name': 'add',
    },
  });
  expect(spanOf('process add')).toMatchObject({
    kind: SpanKind.CONSUMER,
    status: { code: SpanStatusCode.UNSET },
    attributes: {
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'sums',
      'messaging.message.id': id,
      'celery.action': 'run',
      'celery.state': 'SUCCESS',
      'celery.retries': 0,
    },
  });
});

test('each attempt is a run of the same send; an error is one, a rejection is none', async () => {
  await using app = traced();
  const flaky = app.task('flaky', { bind: true, maxRetries: 1 }, (task) => {
    if (task.request.retries === 0) throw task.retry(new Error('busy'), { countdown: 0 });
    throw new RangeError('broken');
  });
  const refuse = app.task('refuse', () => {
    throw new Reject('not mine');
  });
  await flaky.delay();
  await refuse.delay();
  await drain(app);
  const attempts = exporter.getFinishedSpans().filter(({ name }) => name === 'process flaky');
  const sent = spanOf('send flaky').spanContext().spanId;
  expect(attempts.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([sent, sent]);
  expect(
    attempts.map(({ attributes }) => [attributes['celery.retries'], attributes['celery.state']]),
  ).toEqual([
    [0, 'RETRY'],
    [1, 'FAILURE'],
  ]);
  expect(attempts.map(({ status, events }) => [status, events.map(({ name }) => name)])).toEqual([
    [{ code: SpanStatusCode.UNSET }, []],
    [{ code: SpanStatusCode.ERROR, message: 'broken' }, ['exception']],
  ]);
  expect(spanOf('process refuse')).toMatchObject({
    status: { code: SpanStatusCode.UNSET },
    attributes: { 'celery.state': 'REJECTED' },
  });
});

test('a workflow is one trace: what follows a task is a child of its run', async () => {
  await using app = traced();
  const step = app.task('step', (x: number) => x + 1);
  const total = app.task('total', (list: number[]) => list.length);
  await inSpan('request', async () => {
    await chain(step.s(1), step.s(), chord([step.s(), step.s()], total.s())).delay();
  });
  await drain(app);
  const spans = exporter.getFinishedSpans();
  expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  expect(tree().sort()).toEqual([
    'process step < send celery', // the members of the chord, in one send
    'process step < send celery',
    'process step < send step',
    'process step < send step',
    'process total < send total',
    'request < none',
    'send celery < process step',
    'send step < process step',
    'send step < request',
    'send total < process step',
  ]);
  expect(spanOf('send celery').attributes['messaging.batch.message_count']).toBe(2);
});

test('what is applied in place belongs to its caller; a send that fails is an error', async () => {
  await using app = traced();
  const add = app.task('add', (x: number, y: number) => x + y);
  await inSpan('request', async () => void (await add.apply([1, 2])));
  expect(tree()).toEqual(['process add < request', 'request < none']);
  await app.close();
  await expect(add.delay(1, 2)).rejects.toThrow();
  expect(spanOf('send add').status.code).toBe(SpanStatusCode.ERROR);
});

test('what a task logs has the ids of its trace', async () => {
  await using app = traced();
  const log = new MemoryLog();
  const speak = app.task('speak', { bind: true }, (task) => {
    task.logger.info({ step: 1 }, 'hello');
    task.log('kept');
  });
  const { id } = await speak.delay();
  await drain(app, { logger: log });
  const { traceId, spanId } = spanOf('process speak').spanContext();
  const ids = { task_id: id, trace_id: traceId, span_id: spanId };
  const fieldsOf = (text: string) => log.lines.find((line) => line.text === text)?.fields;
  expect(fieldsOf('hello')).toMatchObject({ step: 1, ...ids });
  expect(fieldsOf('kept')).toMatchObject(ids);
});

test('without an SDK nothing is written into messages', async () => {
  trace.disable();
  propagation.disable();
  try {
    await using app = traced();
    const show = app.task('show', { bind: true }, (task) => Object.keys(task.request.headers));
    const result = await show.delay();
    await drain(app);
    expect(await result.get()).toEqual([]);
  } finally {
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(provider);
  }
});
