import { describe } from 'vitest';
import { isLong } from '../run/scale.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { errorCases } from './cases/errors.ts';
import { stateCases } from './cases/states.ts';
import { onRabbit } from './harness/servers.ts';
import { interopCases, pairSuite } from './suite.ts';

pairSuite(
  'Python and TypeScript on RabbitMQ, results by rpc',
  noRabbit,
  () => onRabbit('by rpc'),
  (pair) => {
    if (isLong) return interopCases(pair);
    // What differs from results in Redis.
    describe('errors', () => errorCases(pair));
    describe('states', () => stateCases(pair));
  },
);
