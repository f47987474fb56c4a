// Empty stores on one RabbitMQ node: each a virtual host of its own, emptied for the next one. Results are kept elsewhere.

import { systemClock } from '../../src/lib/clock.ts';
import { AmqpConsumer } from '../../src/stores/amqp/amqp-consumer.ts';
import { openAmqpTransport } from '../../src/stores/amqp/amqp-transport.ts';
import { AmqpLink } from '../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../src/stores/amqp/client/settings.ts';
import { openMemoryBackend } from '../../src/stores/memory/memory-backend.ts';
import { plainQueue, type QueueDeclaration } from '../../src/stores/topology.ts';
import type { RabbitServerProcess } from '../servers/rabbitmq.ts';
import { patienceMs } from '../until.ts';
import type { Store } from './stores.ts';

/** Names that the suite uses. */
const names = ['celery', 'a', 'b', 'x', 'two', 'next', 'other'];

/** Emptied. A new one takes RabbitMQ as long as a case. */
const spare: string[] = [];

export function amqpStore(
  server: () => RabbitServerProcess,
  type: 'classic' | 'quorum',
): Omit<Store, 'openBackend'> {
  let vhost: string | null = null;
  const url = (): string => {
    vhost ??= spare.pop() ?? server().vhost();
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
      const connection = await link.ready(patienceMs);
      const channel = await connection.createConfirmChannel();
      channel.publish('', queue, Buffer.from(raw));
      await channel.waitForConfirms();
    },
    async kill(consumer) {
      if (!(consumer instanceof AmqpConsumer)) throw new TypeError('not of this driver');
      await consumer.die();
    },
    async remove() {
      if (vhost === null) return;
      await empty(server(), vhost);
      spare.push(vhost);
    },
  };
}

/** The queues through which what is for later goes are many, and stay. */
async function empty(server: RabbitServerProcess, vhost: string): Promise<void> {
  const stays = (name: string): string => `{_, _, _, <<"${name}", _/binary>>} -> rabbit_amqqueue:purge(Q); `;
  await server.evaluate(
    `[case amqqueue:get_name(Q) of ${stays('celery_delayed_')}${stays('umbel_delayed_')}` +
      `_ -> rabbit_amqqueue:delete(Q, false, false, <<"test">>) end || Q <- rabbit_amqqueue:list(<<"${vhost}">>)]`,
  );
}
