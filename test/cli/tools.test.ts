// logtool, graph, and amqp's commands.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { amqpCommands, parseAmqp, wordsOf } from '../../src/cli/amqp/commands.ts';
import { bootsteps, bootstepsGraph, dotOf, workersGraph } from '../../src/cli/graph/dot.ts';
import { Audit } from '../../src/cli/logtool/audit.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { project, shop, startWorker, umbel, workerOf } from './harness.ts';

test('the graph of bootsteps is what a worker starts, in its order; nothing starts before what it needs', () => {
  const bodyIn = (file: string, head: string, end: string): string => {
    const text = readFileSync(join(import.meta.dirname, '../../src/worker', file), 'utf8');
    const begin = text.indexOf(head);
    return text.slice(begin, text.indexOf(end, begin));
  };
  const within = bodyIn('assemble.ts', 'async function assemble(', '\n}\n');
  const body = bodyIn('worker.ts', 'async #start()', '\n  }\n').replace(
    'await assemble(',
    (call) => `${within}${call}`,
  );
  const started = [
    ...body.matchAll(
      /await (?:parts\.)?(this\.#health\.start|\w+\??\.(?:start|prepare)|connectStores|assemble)\(/g,
    ),
  ];
  expect(started.length).toBeGreaterThan(6);
  const drawn = bootsteps.flatMap(({ start }) => start ?? []);
  expect([...new Set(drawn)]).toEqual(started.map(([, call]) => call));
  const parts = bootsteps.map(({ part }) => part);
  for (const [at, { needs }] of bootsteps.entries())
    for (const need of needs) expect(parts.slice(0, at)).toContain(need);
});

function audited(lines: readonly string[]): {
  report: ReturnType<Audit['report']>;
  errors: string[];
  traces: string[];
  other: string[];
} {
  const errors: string[] = [];
  const traces: string[] = [];
  const other: string[] = [];
  const audit = new Audit({
    onError: (line) => errors.push(line),
    onTrace: (text) => traces.push(text),
    onOther: (line) => other.push(line),
  });
  for (const line of lines) audit.feed(line);
  return { report: audit.report(), errors, traces, other };
}

test("a log of Python's worker is understood", () => {
  const at = '[2026-11-21 12:00:00,000: INFO/MainProcess]';
  const { report, errors, traces, other } = audited([
    `${at} celery@eu1 ready.`,
    `${at} Task shop.add[a1] received`,
    `${at} Task shop.add[a1] succeeded in 0.01s: 5`,
    `${at} Task shop.mail[a2] received`,
    `${at} Task shop.mail[a2] retry: Retry in 3s: OSError('x')`,
    `${at} Task shop.mail[a2] received`,
    `[2026-11-21 12:00:00,000: ERROR/ForkPoolWorker-1] Task shop.mail[a2] raised unexpected: OSError('x')`,
    'Traceback (most recent call last):',
    `${at} Task shop.add[a3] received`,
    '{"level":"info","msg":"broken off',
  ]);
  expect(report).toMatchObject({ total: 3, completed: 2, succeeded: 1, errors: 1, retries: 1 });
  expect(report.types).toEqual([
    ['shop.add', 2],
    ['shop.mail', 1],
  ]);
  expect(report.incomplete).toEqual([{ id: 'a3', name: 'shop.add' }]);
  expect(errors).toHaveLength(1);
  expect(traces[0]).toMatch(/raised unexpected.*\nTraceback/);
  expect(other).toEqual([`${at} celery@eu1 ready.`]);
});

test.each([
  'json',
  'pretty',
])("logtool tells from a worker's %s log what became of its tasks", async (format) => {
  const folder = project({ 'app.js': shop });
  const worker = await startWorker(folder, '--log-format', format);
  const app = ['-A', './app.js'];
  await umbel(folder, [...app, 'call', 'shop.add', '-a', '[1, 2]', '--wait', '60']);
  await umbel(folder, [...app, 'call', 'shop.fail', '-a', '["no size"]', '--wait', '60']);
  await umbel(folder, [...app, 'call', 'shop.slow', '-a', '[60]']);
  await worker.said(/Task shop\.slow\[\S+\] received/);
  writeFileSync(join(folder, 'worker.log'), worker.stderr);
  const stats = await umbel(folder, ['logtool', 'stats', 'worker.log', '--json']);
  expect(JSON.parse(stats.stdout)).toMatchObject({ total: 3, succeeded: 1, errors: 1, completed: 2 });
  const incomplete = await umbel(folder, ['logtool', 'incomplete', 'worker.log']);
  expect(incomplete.stdout).toMatch(/^Did not complete: \S+ shop\.slow\n$/);
  const traces = await umbel(folder, ['logtool', 'traces', 'worker.log']);
  expect(traces.stdout).toMatch(/TypeError: no size\n\s+at .*app\.js/);
  const errors = await umbel(folder, ['logtool', 'errors', 'no-such.log']);
  expect(errors).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot read 'no-such.log'") });
});

test('graphs are DOT that Graphviz would take', () => {
  const dot = dotOf(
    workersGraph({
      workers: [{ name: 'celery@"eu1"', slots: 8, queues: ['celery', 'slow'] }],
      broker: 'redis://localhost/0',
      backend: null,
    }),
  );
  expect(dot).toContain('"queue slow" -> "celery@\\"eu1\\"";');
  expect(dot).toContain('label="celery@\\"eu1\\"\\n8 at a time"');
  for (const text of [dot, dotOf(bootstepsGraph())]) {
    expect(text).toMatch(/^digraph umbel \{\n/);
    for (const line of text.split('\n').slice(1, -1)) expect(line).toMatch(/^ {4}\S.*;$/);
  }
});

test('graph workers asks who is there; nobody: exit code 69', async () => {
  const folder = project({ 'app.js': shop });
  const none = await umbel(folder, ['-A', './app.js', 'graph', 'workers', '-t', '0.2']);
  expect(none).toMatchObject({ code: 69, stdout: '' });
  await workerOf(folder);
  await expect
    .poll(async () => (await umbel(folder, ['-A', './app.js', 'graph', 'workers', '-t', '0.5'])).stdout)
    .toMatch(/"queue celery" -> "celery@/);
});

test('amqp understands its commands, and what is missing is said', () => {
  expect(parseAmqp(['queue.declare', 'q', 'no', 'true']).args).toEqual(['q', 'no', 'true', 'false']);
  expect(() => parseAmqp(['queue.bind', 'q'])).toThrow(
    "'queue.bind' takes queue exchange routing_key; 1 given",
  );
  expect(() => parseAmqp(['queue.delet', 'q'])).toThrow("did you mean 'queue.delete'?");
  expect(wordsOf(`basic.publish "a \\"b\\" c" '' key`)).toEqual(['basic.publish', 'a "b" c', '', 'key']);
  expect(() => wordsOf('basic.publish "a')).toThrow('a quotation mark is missing');
  expect(amqpCommands.map(({ name }) => name)).toEqual([
    ...['exchange.declare', 'exchange.delete', 'queue.declare', 'queue.bind', 'queue.delete', 'queue.purge'],
    ...['basic.publish', 'basic.get', 'basic.ack'],
  ]);
});

test('amqp without RabbitMQ says so', async () => {
  const { code, stderr } = await umbel(project({}), ['amqp', 'queue.declare', 'q']);
  expect(code).toBe(2);
  expect(stderr).toContain('needs RabbitMQ');
});

needs(describe, noRabbit)('amqp on RabbitMQ', () => {
  test('a queue is declared, bound, filled, looked at, emptied and deleted', async () => {
    const rabbit = await RabbitServerProcess.shared();
    const folder = project({});
    const amqp = (...words: string[]) => umbel(folder, ['-b', rabbit.url(), 'amqp', ...words]);
    expect((await amqp('exchange.declare', 'ex', 'topic', 'no', 'yes')).stdout).toBe('ok.\n');
    expect((await amqp('queue.declare', 'q', 'no', 'yes')).stdout).toBe(
      'queue:q messages:0 consumers:0\nok.\n',
    );
    expect((await amqp('queue.bind', 'q', 'ex', 'a.#')).stdout).toBe('ok.\n');
    expect((await amqp('basic.publish', 'hello', 'ex', 'a.b')).stdout).toBe('ok.\n');
    expect((await amqp('basic.get', 'q')).stdout).toContain('"body": "hello"');
    expect((await amqp('queue.purge', 'q')).stderr).toMatch(/deletes all messages that wait in 'q'.*--force/);
    expect((await amqp('queue.purge', 'q', '-f')).stdout).toBe('1 messages deleted.\nok.\n');
    expect((await amqp('queue.delete', 'q', '-f')).code).toBe(0);
    const gone = await amqp('queue.declare', 'q', 'yes');
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining("NOT_FOUND - no queue 'q'") });
  });
});
