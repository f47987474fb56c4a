// The web server: `node --import tsx server/main.ts`
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { createApi } from './api.ts';
import { app } from './app.ts';
import { Cache } from './cache.ts';
import { migrate, openDatabase } from './database.ts';
import { Live } from './live.ts';
import { Relay } from './outbox.ts';
import { createPages } from './pages.ts';
import { settings } from './settings.ts';

const database = await openDatabase();
await migrate(database);
const cache = await Cache.open();
const relay = new Relay(database, app);
const live = new Live(database);
relay.nudge(); // what the one before us has left

const web = new Hono()
  .route('/', await createPages())
  .route('/', createApi({ app, database, cache, relay, live }))
  .notFound((context) => context.json({ detail: `there is no ${context.req.path}` }, 404));
const server = serve({ fetch: web.fetch, port: settings.port, hostname: settings.host }, ({ port }) => {
  console.log(`http://${settings.host}:${port}`);
  process.send?.({ port });
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  live.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  if ('closeAllConnections' in server) setTimeout(() => server.closeAllConnections(), 500); // open event streams
  await closed;
  await relay.stop();
  await app.close();
  await cache.close();
  await database.destroy();
  if (process.connected) process.disconnect();
}
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, () => void stop());
