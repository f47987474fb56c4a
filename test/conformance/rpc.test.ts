import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from 'vitest';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { openRpcBackend } from '../../src/stores/amqp/rpc/rpc-backend.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { patienceMs } from '../until.ts';
import { backendCases } from './run.ts';

needs(describe, noRabbit)('on a real server', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  // Nothing is kept at the broker but in a queue that each case has for itself.
  backendCases('rpc', () => ({
    openBackend: async ({ expiresMs }) =>
      throughTheBroker(await openRpcBackend('rpc://', { expiresMs, broker: server.url() })),
    remove: async () => {},
  }));
});

/** What is put is sent to this process, as a worker would, and has come when `put` resolves: another record follows it. */
function throughTheBroker(backend: ResultBackend): ResultBackend {
  const put = backend.put.bind(backend);
  backend.put = async (record) => {
    const address = { replyTo: (await backend.replyTo?.()) ?? '', correlationId: record.taskId };
    await put(record, address);
    const taskId = `after ${randomUUID()}`;
    const after: ResultRecord = { ...record, taskId, status: 'STARTED', result: null };
    const arrived = backend.watch(taskId, AbortSignal.timeout(patienceMs))[Symbol.asyncIterator]().next();
    await put(after, { ...address, correlationId: taskId });
    if ((await arrived).done === true) throw new Error('nothing came');
    await backend.forget(taskId);
  };
  return backend;
}
