// Revocations in RabbitMQ's stream.
import { expect, it, onTestFinished } from 'vitest';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { needs } from '../../needs.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';

needs(it, noRabbit)('the first revocations are all kept, also when many come at once', async () => {
  const rabbit = await RabbitServerProcess.shared();
  const transport = await openAmqpTransport(rabbit.url(rabbit.vhost()), { queues: [], driver: {} });
  onTestFinished(() => transport.close());
  const puts = Array.from({ length: 25 }, (_, n) =>
    transport.revocations.put([`r${n}`], Date.now() + 3_600_000),
  );
  await Promise.all(puts);
  expect((await transport.revocations.read()).length).toBe(25);
});
