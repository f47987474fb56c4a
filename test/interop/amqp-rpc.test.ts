import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRpc } from './harness/amqp-driver.ts';
import { onRabbit } from './harness/on-rabbit.ts';
import { interopSuite } from './suite.ts';

interopSuite('RabbitMQ, results by rpc', noRabbit ?? noRpc, async () => {
  const rabbit = await RabbitServerProcess.start();
  return {
    ...onRabbit(rabbit, 'rpc://'),
    sharedResults: false,
    [Symbol.asyncDispose]: () => rabbit[Symbol.asyncDispose](),
  };
});
