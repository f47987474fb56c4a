// Empty stores on one RabbitMQ node: each a virtual host of its own. Results are kept elsewhere.
import { AmqpLink } from '../../src/clients/amqp/link.ts';
import { amqpSettings } from '../../src/clients/amqp/settings.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { openMemoryBackend } from '../../src/results/memory/memory-backend.ts';
import { AmqpConsumer } from '../../src/transports/amqp/amqp-consumer.ts';
import { openAmqpTransport } from '../../src/transports/amqp/amqp-transport.ts';
import { plainQueue, type QueueDeclaration } from '../../src/transports/topology.ts';
import type { RabbitServerProcess } from '../servers/rabbitmq.ts';
import type { Store } from './stores.ts';

/** Names that the suite uses. */
const names = ['celery', 'a', 'b', 'x', 'two', 'next', 'other'];

export function amqpStore(
  server: () => RabbitServerProcess,
  type: 'classic' | 'quorum',
): Omit<Store, 'openBackend'> {
  let vhost: string | null = null;
  const url = (): string => {
    vhost ??= server().vhost();
    return server().url(vhost);
  };
  const queues =
    type === 'classic' ? [] : names.map((name): QueueDeclaration => ({ ...plainQueue(name), type }));
  const driver = { delayedQueueType: 'classic' };
  return {
    openTransport: (options) => openAmqpTransport(url(), { queues, driver }, options?.clock ?? systemClock),
    openBackendOf: async (_, options) => openMemoryBackend(vhost ?? 'amqp', options),
    async putRaw(queue, raw) {
      await using link = new AmqpLink(amqpSettings(url(), 'broker'));
      const connection = await link.ready(5000);
      const channel = await connection.createConfirmChannel();
      channel.publish('', queue, Buffer.from(raw));
      await channel.waitForConfirms();
    },
    async kill(consumer) {
      if (!(consumer instanceof AmqpConsumer)) throw new TypeError('not of this driver');
      await consumer.die();
    },
    async remove() {},
  };
}
