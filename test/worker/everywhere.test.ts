// What must be the same on every broker, on the embedded ones. `everywhere-redis.test.ts`, `everywhere-rabbitmq.test.ts`: on the others, beside this.
import { sameEverywhere } from './everywhere-cases.ts';

sameEverywhere(['memory', 'sqlite']);
