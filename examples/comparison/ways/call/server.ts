// The third way: an HTTP server that does the job before it answers, as many at a time as a worker.
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { slots, type Work, work } from '../work.ts';
import type { Answer } from './caller.ts';

const worker = `server@${process.pid}`;
let free = slots;
const waiting: (() => void)[] = [];

const server = serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    fetch: new Hono().post('/', async (context) => {
      const job = await context.req.json<Work>();
      if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      else free--;
      const answer: Answer = { started: Date.now(), worker };
      try {
        await work(job, 1, async () => undefined); // there is nobody to tell
        return context.json(answer);
      } catch (error) {
        return context.json(
          { ...answer, error: error instanceof Error ? error.message : String(error) },
          500,
        );
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free++;
      }
    }).fetch,
  },
  ({ port }) => process.send?.({ ready: true, url: `http://127.0.0.1:${port}/` }),
);

function stop(): void {
  server.close(() => process.exit());
  if ('closeIdleConnections' in server) server.closeIdleConnections();
}
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, stop);
