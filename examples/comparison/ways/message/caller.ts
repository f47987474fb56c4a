// The second way, seen by its caller: it publishes messages. What becomes of them it hears only by what the consumer posts.
import { type ConfirmChannel, connect } from 'amqplib';
import type { Way } from '../way.ts';

export const queue = 'comparison.messages';

export async function openMessages(url: string): Promise<Way> {
  const connection = await connect(url);
  connection.on('error', (error: Error) => console.error(`RabbitMQ: ${error.message}`));
  const channel: ConfirmChannel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true });
  return {
    send: (id, work) =>
      new Promise((resolve, reject) => {
        const message = Buffer.from(JSON.stringify({ ...work, id }));
        channel.sendToQueue(queue, message, { persistent: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    waiting: async () => (await channel.checkQueue(queue)).messageCount,
    purge: async () => (await channel.purgeQueue(queue)).messageCount,
    close: () => connection.close(),
  };
}
