// RabbitMQ as the broker of both halves.
import type { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import type { Servers } from './pair.ts';

export function onRabbit(
  rabbit: RabbitServerProcess,
  backend: string,
): Pick<Servers, 'python' | 'typescript' | 'waiting' | 'mostUrgent'> {
  return {
    // Queues know priorities only if both sides declare them so.
    python: { task_queue_max_priority: 9, broker_url: rabbit.url(), result_backend: backend },
    typescript: { taskQueueMaxPriority: 9, broker: rabbit.url(), backend },
    waiting: (queue) => {
      const lines = rabbit.ctl('list_queues', 'name', 'messages').split('\n');
      return Number(lines.find((line) => line.startsWith(`${queue}\t`))?.split('\t')[1] ?? 0);
    },
    mostUrgent: 9,
  };
}
