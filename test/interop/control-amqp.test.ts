import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { controlSuite } from './control-suite.ts';
import { onRabbit } from './harness/servers.ts';

controlSuite('RabbitMQ', noRabbit ?? noRedis, () => onRabbit('in Redis'));
