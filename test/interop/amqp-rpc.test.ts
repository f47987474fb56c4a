import { noRabbit } from '../servers/rabbitmq.ts';
import { onRabbit } from './harness/servers.ts';
import { interopCases, pairSuite } from './suite.ts';

pairSuite(
  'Python and TypeScript on RabbitMQ, results by rpc',
  noRabbit,
  () => onRabbit('by rpc'),
  interopCases,
);
