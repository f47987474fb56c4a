// The web server: `node --import tsx server/main.ts`
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { createApi } from './api.ts';
import { cache } from './cache.ts';
import { database, migrate } from './database.ts';
import { nudge, settled } from './outbox.ts';
import { createPages } from './pages.ts';
import { settings } from './settings.ts';
import { app } from './umbel.ts';

await migrate();
nudge(); // what the one before us has left

const web = new Hono()
  .route('/', await createPages())
  .route('/', createApi())
  .notFound((context) => context.json({ detail: `there is no ${context.req.path}` }, 404));
const { HOST: hostname, PORT } = settings;
const server = serve({ fetch: web.fetch, port: PORT, hostname }, ({ port }) => {
  console.log(`Pages http://${hostname}:${port}, API http://${hostname}:${port}/docs`);
  process.send?.({ port });
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  if ('closeAllConnections' in server) setTimeout(() => server.closeAllConnections(), 500); // open event streams
  await closed;
  await settled();
  await app.close();
  await cache.close();
  await database.destroy();
  if (process.connected) process.disconnect();
}
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, () => void stop());
