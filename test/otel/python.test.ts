// One trace from TypeScript through Python and back: Python hands the headers on, as Celery's instrumentation does.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { describe, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { instrument } from '../../src/otel/otel.ts';
import { Worker } from '../../src/worker/worker.ts';
import { PythonProcess } from '../interop/harness/python-process.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience } from '../until.ts';

const program = (url: string): string => `
from celery import Celery
app = Celery('relay', broker='${url}', backend='${url}')

@app.task(bind=True, name='py.relay')
def relay(self):
    found = self.request.get('traceparent')
    app.send_task('ts.end', queue='traced-ts', headers={'traceparent': found})
    return found
`;

needs(describe, noRedis ?? noPython)('a trace', () => {
  test('goes from TypeScript to Python and back', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(provider);
    onTestFinished(async () => {
      trace.disable();
      propagation.disable();
      context.disable();
      await provider.shutdown();
    });
    const redis = await RedisServerProcess.shared();
    const folder = mkdtempSync(join(tmpdir(), 'umbel-tracing-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'relay.py'), program(redis.url(0)));
    const args = [
      '-m',
      'celery',
      '--workdir',
      folder,
      '-A',
      'relay',
      'worker',
      '-Q',
      'traced-py',
      '-P',
      'solo',
    ];
    await using python = new PythonProcess('the Python worker', args, { settings: {} });
    onTestFailed(() => console.error(python.log));

    await using app = new App('traced', { broker: redis.url(0), backend: redis.url(0) });
    instrument(app);
    const ended = new Promise<unknown>((resolve) =>
      app.task('ts.end', { bind: true, queue: 'traced-ts' }, (task) =>
        resolve(task.request.headers.traceparent),
      ),
    );
    const relay = app.remote<() => string>('py.relay', { queue: 'traced-py' });
    const worker = new Worker(app, { queues: ['traced-ts'], name: 'traced@here' });
    await worker.start();
    onTestFinished(() => worker.stop());
    const result = await relay.delay();
    const seen = await result.get(patience);
    expect(await ended).toBe(seen);
    const named = (name: string) => exporter.getFinishedSpans().find((span) => span.name === name);
    await expect.poll(() => named('process ts.end')).toBeDefined();
    const sent = named('send py.relay')?.spanContext();
    expect(seen).toBe(`00-${sent?.traceId}-${sent?.spanId}-01`);
    expect(named('process ts.end')?.parentSpanContext).toMatchObject({
      traceId: sent?.traceId,
      spanId: sent?.spanId,
      isRemote: true,
    });
  });
});
