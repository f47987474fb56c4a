import { describe } from 'vitest';
import { noRedis } from '../servers/redis.ts';
import { pythonCases } from './cases/python.ts';
import { workflowCases } from './cases/workflows.ts';
import { onRedis } from './harness/servers.ts';
import { interopCases, pairSuite } from './suite.ts';

const start = () => onRedis('in another database');
pairSuite('Python and TypeScript on Redis, results in another database', noRedis, start, (pair) => {
  describe('Python to Python, through the harness', () => pythonCases(pair));
  interopCases(pair);
  describe('workflows', () => workflowCases(pair));
});
