import { isLong } from '../run/scale.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { controlSuite } from './control-suite.ts';
import { onRabbit } from './harness/servers.ts';

// control-redis.test.ts has all of it in the default run, too.
controlSuite('RabbitMQ', noRabbit ?? noRedis, () => onRabbit('in Redis'), isLong);
