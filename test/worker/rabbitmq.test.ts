// A worker and RabbitMQ: which of the two comes first, and what happens when the broker goes. Here the way to it goes;
// `rabbitmq.long.test.ts` kills it.
import { describe, it } from 'vitest';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { outlives } from './rabbitmq-away.ts';

needs(describe, noRabbit)('a worker on RabbitMQ', () => {
  it('waits for a broker that cannot be reached yet, outlives that it is out of reach, says each once, and ends without it', async () => {
    const rabbit = await RabbitServerProcess.shared();
    await using proxy = await FaultProxy.before(rabbit.port);
    await outlives({
      url: rabbit.url().replace(`:${rabbit.port}/`, `:${proxy.port}/`),
      async leave() {
        proxy.isRefusing = true;
        proxy.cut('reset');
      },
      async comeBack() {
        proxy.heal();
      },
    });
  });
});
