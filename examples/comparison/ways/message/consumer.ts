// The second way: a consumer of RabbitMQ's messages. It posts each status to API_URL, and acknowledges a message when its job has ended.
import { connect } from 'amqplib';
import { slots, type Work, work } from '../work.ts';
import { queue } from './caller.ts';

const { RMQ_URL = 'amqp://localhost', API_URL = 'http://localhost:8080/update_task_status_api/' } =
  process.env;
const name = `consumer@${process.pid}`;

const connection = await connect(RMQ_URL).catch((error: Error) => {
  console.error(`RabbitMQ: ${error.message}`);
  process.exit(1);
});
// Whoever has started it starts it again; RabbitMQ delivers again what was not acknowledged.
connection.on('error', (error: Error) => console.error(error.message));
connection.on('close', () => process.exit(stopping ? 0 : 1));
const channel = await connection.createChannel();
await channel.assertQueue(queue, { durable: true });
await channel.prefetch(slots);
const running = new Set<Promise<void>>();
const { consumerTag } = await channel.consume(queue, (message) => {
  if (message === null) return; // the queue was deleted
  const run = process_(JSON.parse(message.content.toString())).then(() => channel.ack(message));
  running.add(run);
  void run.finally(() => running.delete(run));
});

async function process_({ id, ...job }: Work & { readonly id: string }): Promise<void> {
  const post = (status: string, more: object = {}) =>
    update({ task_id: id, status, worker_id: name, ...more });
  await post('IN_PROGRESS');
  try {
    await work(job, 1, (progress) => post('IN_PROGRESS', { progress }));
    await post('DONE');
  } catch (error) {
    // Given back, it would come again at once, and for ever.
    await post('FAILED', { error: error instanceof Error ? error.message : String(error) });
  }
}

async function update(status: object): Promise<void> {
  try {
    const response = await fetch(API_URL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(status),
    });
    if (!response.ok) console.error(`${API_URL}: ${response.status} ${await response.text()}`);
  } catch (error) {
    console.error(`${API_URL}: ${error}`); // this status is lost
  }
}

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await channel.cancel(consumerTag);
  await Promise.all(running);
  await connection.close();
}
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, () => void stop());
process.send?.({ ready: true });
