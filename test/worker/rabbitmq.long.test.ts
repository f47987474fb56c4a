// A worker and a RabbitMQ that is killed and started again.
import { describe, it } from 'vitest';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { outlives } from './rabbitmq-away.ts';

needs(describe, noRabbit)('a worker on RabbitMQ', () => {
  it('waits for a broker that comes late, outlives its restart, says each once, and ends without it', async () => {
    await using rabbit = await RabbitServerProcess.start();
    await outlives({
      url: rabbit.url(),
      leave: () => rabbit.stop('SIGKILL'),
      comeBack: () => rabbit.start(),
    });
  });
});
