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
const { DATABASE_URL, REDIS_URL = null, REDIS_PASSWORD = null, UMBEL_BROKER_URL } = read.data;
const DATA = resolve(read.data.DATA);
const embedded = `sqlite://${DATA}/store.db`;

export const settings = {
  ...read.data,
  DATA,
  REDIS_URL,
  /** For a URL without one. */
  REDIS_PASSWORD: REDIS_URL && REDIS_PASSWORD,
  broker: UMBEL_BROKER_URL ?? REDIS_URL ?? embedded,
  /** Where results and schedules are kept; RabbitMQ, as the broker, could keep neither. */
  backend: REDIS_URL ?? (DATABASE_URL === 'sqlite:' ? embedded : DATABASE_URL),
} as const;
