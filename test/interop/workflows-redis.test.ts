// With results where the messages are. (With results in another database: redis.test.ts.)
import { noRedis } from '../servers/redis.ts';
import { workflowCases } from './cases/workflows.ts';
import { onRedis } from './harness/servers.ts';
import { pairSuite } from './suite.ts';

const start = () => onRedis('in the same database');
pairSuite('workflows of Python and TypeScript on Redis alone', noRedis, start, workflowCases);
