// What is set from outside, read once: variables of the environment, or `.env` beside package.json.
import { existsSync } from 'node:fs';
import { z } from 'zod';

if (existsSync('.env')) process.loadEnvFile('.env');

const port = (standard: number) => z.coerce.number().int().min(0).max(65_535).default(standard);
const Environment = z.object({
  API_HOST: z.string().default('127.0.0.1'),
  API_PORT: port(8000),
  REDIS_HOST: z.string().default('127.0.0.1'),
  REDIS_PORT: port(6379),
  REDIS_PASSWORD: z.string().default(''),
  NOTIFY_URL: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]).default(''),
  HEARTBEAT_SECONDS: z.coerce.number().positive().default(10),
  /** Another broker than this Redis: `npm start` takes the embedded store where no Redis is, the tests memory:// */
  UMBEL_BROKER_URL: z.string().optional(),
  UMBEL_RESULT_BACKEND: z.string().optional(),
});

const read = Environment.safeParse(process.env);
if (!read.success) {
  for (const { path, message } of read.error.issues) console.error(`${path.join('.')}: ${message}`);
  process.exit(1);
}
const environment = read.data;

const { REDIS_HOST, REDIS_PORT, REDIS_PASSWORD } = environment;
const redisUrl = (database: number) => `redis://${REDIS_HOST}:${REDIS_PORT}/${database}`;

export const settings = {
  host: environment.API_HOST,
  port: environment.API_PORT,
  /** Broker and results on one server: a result and the acknowledgement of its message are one step. */
  broker: environment.UMBEL_BROKER_URL ?? redisUrl(0),
  backend: environment.UMBEL_RESULT_BACKEND ?? redisUrl(1),
  /** Of Redis, as it is in `.env`. No URL has it. */
  password: REDIS_PASSWORD === '' ? null : REDIS_PASSWORD,
  /** What the service itself keeps. Null: there is no Redis. */
  redis: environment.UMBEL_BROKER_URL?.startsWith('sqlite:') ? null : redisUrl(2),
  heartbeatSeconds: environment.HEARTBEAT_SECONDS,
  notifyUrl: environment.NOTIFY_URL === '' ? null : environment.NOTIFY_URL,
} as const;
