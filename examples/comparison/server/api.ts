// The HTTP API of the page and of the consumers.
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { csrf } from 'hono/csrf';
import { HTTPException } from 'hono/http-exception';
import { streamSSE } from 'hono/streaming';
import { BrokerUnavailable, NotSerializableError } from 'umbel';
import { Control } from 'umbel/control';
import { z } from 'zod';
import { app, processData } from '../ways/task/app.ts';
import { statuses, wayNames } from '../ways/way.ts';
import type { Comparison } from './comparison.ts';
import type { Job } from './jobs.ts';
import { measure } from './measure.ts';
import type { Program } from './programs.ts';
import type { Report } from './report.ts';

/** What the page shows. */
export interface State {
  readonly jobs: readonly Job[];
  readonly ways: readonly {
    readonly way: (typeof wayNames)[number];
    readonly here: boolean;
    readonly programs: readonly Program[];
  }[];
  readonly notes: readonly string[];
  readonly dashboard: string | null;
  /** What is being measured; null: nothing. */
  readonly measuring: string | null;
  readonly report: Report | null;
}

const way = z.enum(wayNames);
const Order = z.object({
  way,
  seconds: z.number().min(0.05).max(60),
  failures: z.int().min(0).max(10).default(0),
  count: z.int().min(1).max(50).default(1),
});
/** As the consumers post it. */
const StatusUpdate = z.object({
  task_id: z.string(),
  status: z.enum(statuses),
  worker_id: z.string().optional(),
  progress: z.number().min(0).max(1).optional(),
  error: z.string().optional(),
});

export function createApi(comparison: Comparison, dashboard: string | null): Hono {
  const { jobs, programs, brokers } = comparison;
  const control = new Control(app);
  let measuring: string | null = null;
  let report: Report | null = null;
  const state = (): State => ({
    jobs: jobs.list.slice(0, 150),
    ways: wayNames.map((way) => ({ way, here: comparison.has(way), programs: programs.of(way) })),
    notes: brokers.notes,
    dashboard,
    measuring,
    report,
  });

  const api = new Hono();
  api.use(csrf(), bodyLimit({ maxSize: 100_000 }));
  api.onError((error, context) => {
    const status = error instanceof HTTPException ? error.status : statusOf(error);
    if (status === 500) console.error(error);
    return context.json({ detail: error.message || (refusals[status] ?? 'refused') }, status);
  });
  api.get('/health', (context) => context.json({ status: 'ok', notes: brokers.notes }));
  api.get('/state', (context) => context.json(state()));
  api.get('/events', (context) =>
    streamSSE(context, async (stream) => {
      let wake = () => {};
      const unlisten = jobs.listen(() => wake());
      stream.onAbort(() => {
        unlisten();
        wake();
      });
      while (!stream.aborted) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await stream.writeSSE({ data: JSON.stringify(state()) });
        await changed;
        await stream.sleep(100); // what changes at once is told at once
      }
    }),
  );
  api.post('/jobs', async (context) => {
    const { way, ...order } = await given(context.req.raw, Order);
    needs(comparison, way);
    return context.json({ ids: comparison.send(way, order).map(({ id }) => id) }, 202);
  });
  api.post('/data', async (context) => {
    const data = await given(context.req.raw, z.array(z.unknown()));
    await app.ensureConnection({ timeout: 2 }); // who looks at the page does not wait for a broker that is silent
    const result = await processData.delay(data);
    return context.json({ id: result.id, result: await result.get({ timeout: 10 }) });
  });
  api.post('/update_task_status_api', async (context) => {
    const { task_id, worker_id, ...update } = await given(context.req.raw, StatusUpdate);
    if (!jobs.update(task_id, { ...update, worker: worker_id }))
      throw new HTTPException(404, { message: `there is no job '${task_id}'` });
    return context.json({ status: 'ok' });
  });
  api.post('/scale', async (context) => {
    const order = await given(context.req.raw, z.object({ way, count: z.int().min(0).max(10) }));
    needs(comparison, order.way);
    programs.scale(order.way, order.count);
    return context.json({ status: 'ok' });
  });
  api.post('/kill', async (context) => {
    const { pid } = await given(context.req.raw, z.object({ pid: z.int().positive() }));
    if (!programs.kill(pid)) throw new HTTPException(404, { message: `there is no program ${pid}` });
    return context.json({ status: 'ok' });
  });
  api.post('/purge', async (context) => {
    const { way: name } = await given(context.req.raw, z.object({ way }));
    needs(comparison, name);
    return context.json({ deleted: await comparison.purge(name) });
  });
  api.get('/inspect/:what{active|registered|stats}', async (context) => {
    await app.ensureConnection({ timeout: 2 });
    const inspect = control.inspect();
    const { replies } = await inspect[context.req.param('what') as 'active' | 'registered' | 'stats'](); // the route's pattern
    return context.json(Object.fromEntries(replies));
  });
  api.post('/measure', (context) => {
    if (measuring !== null) throw new HTTPException(409, { message: 'it is being measured' });
    if (jobs.list.some(({ ended }) => ended === null))
      throw new HTTPException(409, { message: 'jobs are running or waiting: let them end, or purge them' });
    measuring = 'starting';
    measure(comparison, (line) => {
      measuring = line;
      jobs.changed();
    })
      .then(
        (measured) => {
          report = measured;
        },
        (error: Error) => console.error(error),
      )
      .finally(() => {
        measuring = null;
        for (const way of wayNames) if (comparison.has(way)) programs.scale(way, 1);
      });
    return context.json({ status: 'ok' }, 202);
  });
  return api;
}

const refusals: Readonly<Record<number, string>> = {
  403: 'a page of another site could have sent this: send it with content-type: application/json',
  413: 'the body is larger than 100 kB',
};

function statusOf(error: Error): 422 | 500 | 503 {
  if (error instanceof NotSerializableError) return 422;
  const isAway =
    error instanceof BrokerUnavailable || /ECONN|ETIMEDOUT|closed|ended|not answered/.test(error.message);
  return isAway ? 503 : 500;
}

/** The body, checked. */
async function given<Schema extends z.ZodType>(request: Request, schema: Schema): Promise<z.output<Schema>> {
  const body: unknown = await request.json().catch(() => undefined);
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new HTTPException(422, { message: issues.join('; ') });
}

function needs(comparison: Comparison, way: (typeof wayNames)[number]): void {
  if (!comparison.has(way)) throw new HTTPException(409, { message: comparison.brokers.notes.join(' ') });
}
