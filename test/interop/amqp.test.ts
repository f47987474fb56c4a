import { describe } from 'vitest';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { workflowCases } from './cases/workflows.ts';
import { onRabbit } from './harness/servers.ts';
import { interopCases, pairSuite } from './suite.ts';

const start = () => onRabbit('in Redis');
pairSuite('Python and TypeScript on RabbitMQ, results in Redis', noRabbit ?? noRedis, start, (pair) => {
  interopCases(pair);
  describe('workflows', () => workflowCases(pair));
});
