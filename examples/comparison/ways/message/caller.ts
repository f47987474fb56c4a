// The second way, seen by its caller: it publishes messages. What becomes of them it hears only by what the consumer posts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import type { Way } from '../way.ts';

export const queue = 'comparison.messages';

/** @throws when RabbitMQ is not there now; later it connects again by itself, with the next message */
export async function openMessages(url: string): Promise<Way> {
  let opened: Promise<Opened> | undefined;
  const open = (): Promise<Opened> => {
    opened ??= openChannel(url, () => {
      opened = undefined;
    });
    return opened;
  };
  await open();
  return {
    async send(id, work) {
      const { channel } = await open();
      const message = Buffer.from(JSON.stringify({ ...work, id }));
      await new Promise<void>((resolve, reject) => {
        channel.sendToQueue(queue, message, { persistent: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    },
    waiting: async () => (await (await open()).channel.checkQueue(queue)).messageCount,
    purge: () => Promise.race([open().then(purge), silence()]),
    close: async () => (await opened?.catch(() => undefined))?.connection.close(),
  };
}

async function purge({ channel }: Opened): Promise<number> {
  return (await channel.purgeQueue(queue)).messageCount;
}

/** A question to a RabbitMQ that is silent would wait until the connection's heartbeat is missed. */
async function silence(): Promise<never> {
  await sleep(2000, undefined, { ref: false });
  throw new Error('RabbitMQ has not answered within 2 s; it may purge the queue later');
}

interface Opened {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
}

async function openChannel(url: string, lost: () => void): Promise<Opened> {
  try {
    const connection = await connect(url, { timeout: 3000 });
    connection.on('error', (error: Error) => console.error(`RabbitMQ: ${error.message}`));
    connection.on('close', lost);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(queue, { durable: true });
    return { connection, channel };
  } catch (error) {
    lost();
    throw error;
  }
}
