import { describe } from 'vitest';
import { isLong } from '../run/scale.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { broadcastCases } from './cases/broadcasts.ts';
import { callCases } from './cases/calls.ts';
import { priorityCases } from './cases/priorities.ts';
import { retryCases } from './cases/retries.ts';
import { timeCases } from './cases/times.ts';
import { workflowCases } from './cases/workflows.ts';
import { onRabbit } from './harness/servers.ts';
import { interopCases, pairSuite } from './suite.ts';

const start = () => onRabbit('in Redis');
pairSuite('Python and TypeScript on RabbitMQ, results in Redis', noRabbit ?? noRedis, start, (pair) => {
  describe('workflows', () => workflowCases(pair));
  if (isLong) return interopCases(pair);
  // What the broker has a part in. Values, errors and states: redis.test.ts, and amqp-rpc.test.ts.
  describe('retries', () => retryCases(pair));
  describe('times', () => timeCases(pair));
  describe('calls', () => callCases(pair));
  describe('priorities', () => priorityCases(pair));
  describe('broadcasts', () => broadcastCases(pair));
});
