// The TypeScript half of the interop tests: tasks that tell what TypeScript saw. The Python half is interop_app.py.
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { SoftTimeLimitExceeded } from '../../../src/errors.ts';
import {
  type App,
  Decimal,
  Ignore,
  PlainDate,
  PlainTime,
  PythonException,
  Reject,
  Uuid,
} from '../../../src/index.ts';
import { canonical } from '../../protocol/python.ts';

export class InsufficientFunds extends Error {
  override readonly name = 'InsufficientFunds';
}

/** Defines all tasks but the counted ones. */
export function defineTasks(app: App): void {
  app.task('ts.add', (x: number, y: number) => x + y);

  app.task(
    'ts.greet',
    {
      input: z.object({
        name: z.string(),
        greeting: z.string().default('Hello'),
        mark: z.string().default('.'),
      }),
    },
    ({ name, greeting, mark }) => `${greeting}, ${name}${mark}`,
  );

  app.task('ts.echo', (value: unknown) => value);

  app.task('ts.describe', (...args: unknown[]) => ({ args: canonical(args) }));
  app.task('ts.describe_keywords', { input: z.looseObject({}) }, (input) => ({ kwargs: canonical(input) }));

  app.task('ts.values', (kind: string) => values[kind]);

  app.task('ts.fail', async (kind: string) => {
    switch (kind) {
      case 'type':
        throw new TypeError('deliberate');
      case 'custom':
        throw new InsufficientFunds('balance 5, needed 7');
      case 'python':
        throw new PythonException('interop_app.InsufficientFunds', 5, 7);
      case 'again':
        return (await app.send('py.fail', ['custom'])).get({ allowSyncSubtasks: true });
      case 'unicode':
        throw new RangeError('Schlüssel 鍵 🎉');
      case 'cause':
        throw new Error('outer', { cause: new Error('inner') });
      case 'text':
        throw 'just text';
      case 'soft':
        throw new SoftTimeLimitExceeded(1);
      case 'ignore':
        throw new Ignore();
      case 'reject':
        throw new Reject('because');
      case 'function':
        return () => 1;
    }
    throw new Error(`no way to fail like '${kind}'`);
  });

  app.task('ts.retry', { bind: true, maxRetries: 5 }, (task, times: number, countdown: number = 0) => {
    const { retries } = task.request;
    if (retries < times) throw task.retry(new Error(`try ${retries}`), { countdown });
    return { lang: 'ts', retries };
  });

  app.task('ts.retry_too_often', { bind: true, maxRetries: 1 }, (task) => {
    throw task.retry(undefined, { countdown: 0 });
  });

  app.task('ts.progress', { bind: true }, async (task, gate: string) => {
    await task.updateState('PROGRESS', { done: 3, total: 7 });
    await fileAt(gate, task.signal);
    return 'done';
  });

  app.task('ts.wait', { bind: true, trackStarted: true }, async (task, gate: string) => {
    await fileAt(gate, task.signal);
    return 'done';
  });

  app.task('ts.sleep', { bind: true }, async (task, seconds: number) => {
    await sleep(seconds * 1000, undefined, { signal: task.signal });
    return seconds;
  });

  app.task('ts.sends', () => app.send<number>('ts.add', [2, 3]));
  app.task('ts.request', { bind: true }, ({ request }, ..._: unknown[]) => ({
    id: request.id,
    task: request.task,
    root_id: request.rootId,
    parent_id: request.parentId,
    group: request.group,
    group_index: request.groupIndex,
    retries: request.retries,
    eta: request.eta?.toISOString() ?? null,
    expires: request.expires?.toISOString() ?? null,
    headers: request.headers,
    timelimit: [request.timeLimit, request.softTimeLimit],
    correlation_id: request.correlationId,
    reply_to: request.replyTo,
    origin: request.origin,
    argsrepr: request.message.argsrepr,
    kwargsrepr: request.message.kwargsrepr,
    shadow: request.message.shadow,
    ignore_result: request.ignoreResult,
    priority: request.message.priority,
    queue: request.queue,
    properties: request.properties,
    delivery_info: request.deliveryInfo,
    args: request.args,
    kwargs: request.kwargs,
    at: Date.now() / 1000,
  }));

  app.task('ts.call', async (name: string, args: unknown[] = []) => (await app.send(name, args)).id);

  app.task('both.who', async (seconds: number = 0) => {
    await sleep(seconds * 1000);
    return 'ts';
  });

  app.task('both.retry', { bind: true, maxRetries: 20 }, (task, here: string) => {
    if (here !== 'ts') throw task.retry(new Error('not here'), { countdown: 0, queue: here });
    return { lang: 'ts', retries: task.request.retries };
  });

  app.task('both.bounce', { bind: true, maxRetries: 4 }, (task, to: string, back: string) => {
    const error = new Error(`bounced ${task.request.retries} times`);
    error.name = 'RuntimeError';
    throw task.retry(error, { args: [back, to], countdown: 0, queue: to });
  });

  app.task('both.note', { bind: true }, ({ request }, path: string) => {
    appendFileSync(path, `ts ${request.id}\n`);
  });

  app.task('both.order', (folder: string, label: string) => {
    appendFileSync(join(folder, 'order'), `${label}\n`);
    return label;
  });
}

const values: Readonly<Record<string, unknown>> = {
  datetime: new Date('2026-11-21T13:37:00.678Z'),
  date: new PlainDate('2026-11-21'),
  time: new PlainTime('13:37:00.000123'),
  decimal: new Decimal('1.10'),
  uuid: new Uuid('12345678123456781234567812345678'),
  bytes: new Uint8Array([0xff, 0, 1]),
  big: 2n ** 70n,
  nan: Number.NaN,
  infinity: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  none: null,
  nothing: undefined,
};

/** Resolves when the file is there: another process tells by it. */
async function fileAt(path: string, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < 12_000 && !existsSync(path); tries++) await sleep(10, undefined, { signal });
}
