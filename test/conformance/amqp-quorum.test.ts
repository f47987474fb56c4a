// Quorum queues beside classic ones (amqp.test.ts): each fourth case, in the long run each.
import { afterAll, beforeAll, describe } from 'vitest';
import { needs } from '../needs.ts';
import { scaled } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { amqpStore } from './amqp-store.ts';
import { transportCases } from './run.ts';

needs(describe, noRabbit)('on a real node', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  transportCases('amqp, quorum queues,', () => amqpStore(() => server, 'quorum'), scaled(4, 1));
});
