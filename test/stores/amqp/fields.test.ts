// The headers of AMQP messages, between amqplib and py-amqp, the client of Celery: each has types that the other does not expect.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeTask } from '../../../src/protocol/task.ts';
import { decodeFields } from '../../../src/stores/amqp/client/field-table.ts';
import { openTransport } from '../../../src/stores/registry.ts';
import { claimOne } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { someMessage } from '../../worker/some-message.ts';

test('amqplib is a copy of our own: others who load it, before or after, have it as it is', () => {
  const module = new URL('../../../build/src/stores/amqp/client/field-table.js', import.meta.url).href;
  const program = `
    import theirs from 'amqplib';
    import { createRequire } from 'node:module';
    import { amqplib, checkFieldTables } from ${JSON.stringify(module)};
    const require = createRequire(${JSON.stringify(import.meta.url)});
    const before = require('amqplib').connect;
    const ours = amqplib().connect;
    console.log(before === theirs.connect, require('amqplib').connect === before, ours !== before, amqplib().connect === ours);
    try { checkFieldTables(); } catch (error) { console.log(error.code, error.message); }
  `;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  // Nothing was read yet; a library that has greeted a server and never asked us reads tables by itself.
  expect(said).toMatch(/^true true true true\nUMBEL_CONFIG amqplib cannot be used as it is here/);
});

describe('a field table', () => {
  test('is read with every type that is written, large integers exactly', () => {
    const bytes = Buffer.concat([
      Buffer.from('\x01aL'),
      int64(2n ** 40n),
      Buffer.from('\x01bL'),
      int64(-(2n ** 60n) - 1n),
      Buffer.from('\x01cU\xff\xfe', 'latin1'),
      Buffer.from('\x01dt\x01\x01eV'),
      Buffer.from('\x01fA\x00\x00\x00\x04b\xffb\x05', 'latin1'),
      Buffer.from('\x01gF\x00\x00\x00\x09\x01hS\x00\x00\x00\x02hi'),
    ]);
    expect(decodeFields(bytes)).toEqual({
      a: 2 ** 40,
      b: -(2n ** 60n) - 1n,
      c: -2,
      d: true,
      e: null,
      f: [-1, 5],
      g: { h: 'hi' },
    });
  });

  test('is read as far as it goes: an unknown type or a broken end harms nobody', () => {
    const good = Buffer.from('\x01ab\x05');
    expect(decodeFields(Buffer.concat([good, Buffer.from('\x01bZ\x01')]))).toEqual({ a: 5 });
    for (let cut = 1; cut < 4; cut++) expect(decodeFields(good.subarray(0, cut))).toEqual({});
    expect(decodeFields(Buffer.concat([good, Buffer.from('\x01bS\xff\xff\xff\xff', 'latin1')]))).toEqual({
      a: 5,
    });
  });
});

needs(describe, noRabbit)('beside Python on RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const python = (code: string): string =>
    execFileSync(
      '/usr/bin/python3',
      ['-c', `import json, kombu\nc = kombu.Connection('${server.url()}')\n${code}`],
      {
        encoding: 'utf8',
      },
    );
  const headers = {
    small: 5,
    negative: -5,
    medium: 300,
    low: -300,
    wide: 70_000,
    large: 2 ** 40,
    list: [300, 240],
    deep: { x: 1000 },
  };

  test('Python reads integers of every size that we write', async () => {
    const transport = await openTransport(server.url());
    const message = someMessage({ timeLimit: 300, softTimeLimit: 240, groupIndex: 1000, headers });
    await transport.publish([{ id: message.id, queue: 'ours', message: encodeTask(message), eta: null }]);
    await transport.close();
    const read = JSON.parse(
      python(`q = c.SimpleQueue('ours')\nprint(json.dumps(q.get(timeout=60).headers))`),
    );
    expect(read).toMatchObject({ ...headers, timelimit: [300, 240], group_index: 1000 });
  });

  test('a message of Python with a large integer in its headers is read, and the worker lives', async () => {
    python(`import amqp
h = dict(lang='py', task='t', id='x', root_id='x', parent_id=None, retries=0, eta=None, expires=None, timelimit=[300, 240],
  big=2**40, low=-70000, argsrepr='', kwargsrepr='', origin='', group=None)
p = c.Producer()
kombu.Queue('theirs', channel=c.default_channel).declare()
p.publish([[], {}, {}], routing_key='theirs', headers=h, serializer='json')`);
    await using transport = await openTransport(server.url());
    await using consumer = await transport.consume({ queues: ['theirs'], name: 'w@here', leaseMs: 15_000 });
    const delivery = await claimOne(consumer);
    const read = delivery.message.ok ? delivery.message.value.headers : null;
    expect(read).toMatchObject({ big: 2 ** 40, low: -70_000, timelimit: [300, 240] });
    // Back, and read again: it is written by us now.
    await delivery.settle({ kind: 'release', until: null });
    const again = await claimOne(consumer);
    expect(again.message.ok && again.message.value.headers).toMatchObject({
      big: 2 ** 40,
      timelimit: [300, 240],
    });
    await again.settle({ kind: 'ack' });
  });
});

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
