import { noRedis } from '../servers/redis.ts';
import { controlSuite } from './control-suite.ts';
import { onRedis } from './harness/servers.ts';

controlSuite('Redis', noRedis, () => onRedis('in another database'));
