import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { ConfigError } from '../../../src/errors.ts';
import { isReady, type ResultRecord } from '../../../src/protocol/result-meta.ts';
import { type AmqpChannel, AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { Arrived } from '../../../src/stores/amqp/rpc/arrived.ts';
import { openRpcBackend } from '../../../src/stores/amqp/rpc/rpc-backend.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { openBackend } from '../../../src/stores/registry.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patience, patienceMs, until, within } from '../../until.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const record = (taskId: string, status = 'SUCCESS', result: unknown = 5): ResultRecord => ({
  taskId,
  status,
  result,
  traceback: null,
  children: [],
  dateDone: isReady(status) ? new Date(1_700_000_000_000) : null,
});

async function ended(backend: ResultBackend, id: string): Promise<unknown> {
  for await (const each of backend.watch(id, AbortSignal.timeout(patienceMs)))
    if (isReady(each.status)) return each.result;
  throw new Error(`the end of ${id} was never seen`);
}

needs(describe, noRabbit)('results as messages', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** The one who waits, and a worker with a connection of its own. */
  async function pair(broker: string) {
    const options = { expiresMs: 86_400_000, broker };
    const here = await openRpcBackend('rpc://', { ...options, answerMs: patienceMs });
    const there = await openRpcBackend('rpc://', { ...options, answerMs: patienceMs + 1 });
    const replyTo = (await here.replyTo?.()) ?? '';
    const send = (each: ResultRecord): Promise<void> =>
      there.put(each, { replyTo, correlationId: each.taskId });
    return {
      here,
      there,
      replyTo,
      send,
      [Symbol.asyncDispose]: async (): Promise<void> => {
        await there.close();
        await here.close();
      },
    };
  }
  /** The broker, past all of our code. */
  async function channelTo(vhost: string): Promise<AmqpChannel> {
    const link = new AmqpLink(amqpSettings(server.url(vhost), 'broker'));
    closing.push(() => link.close());
    return (await link.ready(patienceMs)).createChannel();
  }

  test('a process has one queue, made when a result is wanted, and none when it has ended', async () => {
    const vhost = server.vhost();
    {
      await using each = await pair(server.url(vhost));
      expect(await each.here.replyTo?.()).toBe(each.replyTo);
      await using also = await openRpcBackend('rpc://', {
        expiresMs: 86_400_000,
        broker: server.url(vhost),
        answerMs: patienceMs,
      });
      expect(await also.replyTo?.()).toBe(each.replyTo);
      const about = `rabbit_amqqueue:info_all(<<"${vhost}">>, [durable, auto_delete, arguments, consumers])`;
      expect(await server.evaluate(`io:format("~0p", [${about}])`)).toBe(
        `[[{durable,true},{auto_delete,false},{arguments,[{<<"x-expires">>,signedint,1800000}]},{consumers,1}]]`,
      );
      expect((await server.queues(vhost)).map(({ name }) => name)).toEqual([each.replyTo]);
      await each.send(record('a'));
      expect(await ended(also, 'a')).toBe(5);
    }
    expect(await server.queues(vhost)).toEqual([]);
  });

  test('a result that nobody waits for in a queue is sent to nobody', async () => {
    await using each = await pair(server.url(server.vhost()));
    await each.there.put(record('a'), { replyTo: '', correlationId: 'a' });
    await each.there.put(record('b'), { replyTo: 'gone', correlationId: 'b' });
    await each.send(record('c'));
    expect(await ended(each.here, 'c')).toBe(5);
    expect(await each.here.get('a')).toBeUndefined();
    expect(await each.there.get('c')).toBeUndefined();
  });

  test('a result waits for a queue that is missing when a connection has just been made', async () => {
    const vhost = server.vhost();
    const open = (missingMs: number): Promise<ResultBackend> =>
      openRpcBackend('rpc://', {
        expiresMs: 86_400_000,
        broker: server.url(vhost),
        answerMs: patienceMs,
        missingMs,
      });
    await using patient = await open(patienceMs);
    const there = (await patient.replyTo?.()) ?? '';
    const late = patient.put(record('late'), { replyTo: 'late', correlationId: 'late' });
    // Answers of one channel come in their order: the first has come back when this one is confirmed.
    await patient.put(record('next'), { replyTo: there, correlationId: 'next' });
    const channel = await channelTo(vhost);
    await channel.assertQueue('late');
    await within(late, 'the confirmation');
    expect(await channel.get('late')).toMatchObject({ properties: { correlationId: 'late' } });

    await using impatient = await open(0);
    await impatient.put(record('gone'), { replyTo: 'gone', correlationId: 'gone' });
  });

  test('no result is lost when connections are closed, again and again', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    await using each = await pair(server.url(vhost).replace(String(server.port), String(proxy.port)));
    const closeAll = [
      () => server.closeConnections(vhost),
      () => proxy.cut('reset'),
      () => proxy.cut('end'),
      () => server.closeConnections(vhost),
    ];
    const ids = Array.from({ length: 800 }, (_, n) => `t${n}`);
    const seen = Promise.all(ids.map((id) => ended(each.here, id)));
    const sent: Promise<void>[] = [];
    for (const [n, id] of ids.entries()) {
      sent.push(each.send(record(id, 'STARTED')), each.send(record(id, 'SUCCESS', n)));
      if (n % 200 === 100) await closeAll.shift()?.();
      await new Promise((done) => setImmediate(done));
    }
    await within(Promise.all(sent), 'the confirmation of all results');
    expect(await within(seen, 'all results')).toEqual(ids.map((_, n) => n));
  });

  test('a channel that RabbitMQ closes, and a queue that somebody deletes, are made anew', async () => {
    const vhost = server.vhost();
    await using each = await pair(server.url(vhost));
    const channel = await channelTo(vhost);
    await channel.deleteQueue(each.replyTo);
    const listens = async (): Promise<boolean> => {
      const [queue] = await server.queues(vhost);
      return queue !== undefined && (await channel.checkQueue(queue.name)).consumerCount === 1;
    };
    await until(listens, 'the queue, made anew');
    await each.send(record('a'));
    expect(await ended(each.here, 'a')).toBe(5);
  });

  test('an application calls its worker and has results, progress and errors', async () => {
    await using app = new App('rpc', { broker: server.url(server.vhost()), backend: 'rpc://' });
    const add = app.task('rpc.add', { bind: true }, async (task, x: number, y: number) => {
      await task.updateState('PROGRESS', { x });
      if (y < 0) throw new RangeError('negative');
      return x + y;
    });
    await using worker = new Worker(app);
    await worker.start();
    const states: string[] = [];
    const sum = await add.delay(2, 3);
    expect(await sum.get({ ...patience, onProgress: ({ status }) => states.push(status) })).toBe(5);
    await expect((await add.delay(2, -3)).get(patience)).rejects.toThrow(/negative/);
    const many = await Promise.all(Array.from({ length: 300 }, (_, n) => add.delay(n, 1)));
    expect(await Promise.all(many.map((each) => each.get(patience)))).toEqual(many.map((_, n) => n + 1));
    const early = app.task('rpc.early', { acksLate: false }, (x: number) => x);
    expect(await (await early.delay(7)).get(patience)).toBe(7);
    await worker.stop();
  });
});

describe('what has arrived', () => {
  const arrive = (arrived: Arrived, text: string, id = 'x', type = 'application/json'): void =>
    arrived.receive(Buffer.from(text), id, type);

  test('what is no record is the end of the task that it is of, and says why', async () => {
    const arrived = new Arrived(null, null);
    arrive(arrived, '\x80\x04pickle', 'x', 'application/x-python-serialize');
    expect(arrived.get('x')).toContain('application/x-python-serialize');
    arrive(arrived, 'nonsense', '');
    arrived.close();
  });

  test('what nobody waits for makes room when there is too much', () => {
    const arrived = new Arrived(null, null);
    arrived.listen('t0', () => {});
    const text = (id: string): string => `{"status": "SUCCESS", "result": 1, "task_id": "${id}"}`;
    for (let n = 0; n <= 100_100; n++) arrive(arrived, text(`t${n}`));
    expect(arrived.get('t0')).toBeDefined();
    expect(arrived.get('t1')).toBeUndefined();
    expect(arrived.get('t100100')).toBeDefined();
    arrived.close();
  });
});

test.each([
  ['rpc://', 'redis://localhost/0', /needs an amqp:\/\/ broker/],
  ['rpc://', undefined, /needs an amqp:\/\/ broker/],
  ['rpc://u:secret@h', 'amqp://localhost', /leave out what comes after/],
])('%s with the broker %s is refused', async (url, broker, reason) => {
  const opening = openBackend(url, { expiresMs: null, ...(broker !== undefined && { broker }) });
  await expect(opening).rejects.toThrow(ConfigError);
  await expect(opening).rejects.toThrow(reason);
});
