// The web server: `node --import tsx src/main.ts`; in the image, compiled: `node dist/main.js`
import { serve } from '@hono/node-server';
import pino from 'pino';
import { createApi } from './api.ts';
import { app } from './app.ts';
import { openHeartbeats } from './heartbeats.ts';
import { settings } from './settings.ts';

const logger = pino({ base: { program: 'api' }, timestamp: pino.stdTimeFunctions.isoTime });
const heartbeats = openHeartbeats(settings.redis, settings.password);
const api = createApi(heartbeats, logger);
const server = serve({ fetch: api.fetch, hostname: settings.host, port: settings.port }, ({ port }) =>
  logger.info({ port }, 'ready'),
);
server.once('error', (error) => {
  logger.fatal(error);
  process.exit(1);
});

/** Answers what it was asked before, takes nothing more, and ends. */
async function stop(): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  heartbeats.close();
  await app.close();
  if (process.connected) process.disconnect();
}
// 'disconnect': who started it with a channel, as `umbel dev`, is gone without having stopped it.
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, () => void stop());
