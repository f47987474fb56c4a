// What may be set from outside: variables of the environment, or `.env` beside package.json.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

if (existsSync('.env')) process.loadEnvFile('.env');

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /** Of Umbel's dashboard; 0: any. */
  DASHBOARD_PORT: z.coerce.number().int().min(0).max(65_535).default(5555),
  /** Of a dashboard that runs already: then the page starts none of its own. */
  DASHBOARD_URL: z.url().optional(),
  /** Where the report, the history and the embedded store are. */
  DATA: z.string().default('.umbel'),
  RMQ_URL: z
    .string()
    .regex(/^amqps?:\/\//, 'is not amqp://…')
    .default('amqp://guest:guest@localhost:5672/'),
  /** Of the tasks; default: RMQ_URL. */
  UMBEL_BROKER_URL: z.string().optional(),
  UMBEL_RESULT_BACKEND: z.string().optional(),
  /** Seconds of a measured job, and until a failed task is tried again. */
  JOB_SECONDS: z.coerce.number().positive().max(10).default(0.5),
  RETRY_DELAY: z.coerce.number().positive().max(60).default(1),
  /** Programs of each way, when it is scaled. */
  SCALE: z.coerce.number().int().min(2).max(10).default(3),
});

const read = Environment.safeParse(process.env);
if (!read.success) {
  for (const { path, message } of read.error.issues) console.error(`${path.join('.')}: ${message}`);
  process.exit(1);
}

export const settings = { ...read.data, DATA: resolve(read.data.DATA) } as const;
