// What may be set from outside, read once: variables of the environment, or `.env` beside package.json.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

if (existsSync('.env')) process.loadEnvFile('.env');

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8000),
  /** Where SQLite's files are. */
  DATA: z.string().default('.umbel'),
  /** `sqlite:` for a file in DATA, or `postgresql://…`. */
  DATABASE_URL: z
    .string()
    .regex(/^(?:sqlite:|postgres(?:ql)?:\/\/)/, 'is neither sqlite: nor postgresql://…')
    .default('sqlite:'),
  /** Cache, and broker if UMBEL_BROKER_URL says no other. */
  REDIS_URL: z.string().optional(),
  REDIS_PASSWORD: z.string().optional(),
  UMBEL_BROKER_URL: z.string().optional(),
  SMTP_URL: z.string().default('smtp://127.0.0.1:1025'),
  MAIL_FROM: z.string().default('Task tracker <tracker@example.com>'),
  /** Pages of these origins may use the API, separated by commas. */
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((origin) => origin.trim() || [])),
  /** Served by HTTPS: the cookie says so. */
  SECURE: z.stringbool().default(false),
});

// A variable that is empty is not set.
const given = Object.entries(process.env).filter(([, value]) => value !== '');
const read = Environment.safeParse(Object.fromEntries(given));
if (!read.success) {
  for (const { path, message } of read.error.issues) console.error(`${path.join('.')}: ${message}`);
  process.exit(1);
}
const environment = read.data;
const data = resolve(environment.DATA);
const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = environment;
const embedded = `sqlite://${data}/store.db`;

export const settings = {
  host: environment.HOST,
  port: environment.PORT,
  data,
  databaseUrl,
  redisUrl: redisUrl ?? null,
  /** For a URL without one. */
  redisPassword: redisUrl === undefined ? null : (environment.REDIS_PASSWORD ?? null),
  brokerUrl: environment.UMBEL_BROKER_URL ?? redisUrl ?? embedded,
  /** Where results and schedules are kept; RabbitMQ, as the broker, could keep neither. */
  backendUrl: redisUrl ?? (databaseUrl === 'sqlite:' ? embedded : databaseUrl),
  smtpUrl: environment.SMTP_URL,
  mailFrom: environment.MAIL_FROM,
  corsOrigins: environment.CORS_ORIGINS,
  secure: environment.SECURE,
} as const;
