// The HTTP API. It sends tasks and reads their results; it runs none.
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import type { Logger } from 'pino';
import { app, notify } from './app.ts';
import type { Heartbeats } from './heartbeats.ts';
import { Notification } from './notify.ts';

/** Who asks waits this long, at most, for a Redis that does not answer. Seconds. */
const patience = 2;

const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

const Health = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    store: z.boolean().describe('Redis answers; without Redis always true.'),
    heartbeat: z
      .object({ count: z.number().int(), last: z.iso.datetime().nullable() })
      .nullable()
      .describe('Grows while beat and a worker run.'),
  })
  .openapi('Health');
const Sent = z
  .object({
    id: z.uuid(),
    status: z.string().openapi({ example: 'SUCCESS' }),
    error: z.string().nullable(),
  })
  .openapi('Sent');
const Problem = z.object({ detail: z.string() }).openapi('Problem');

export function createApi(heartbeats: Heartbeats, logger: Logger): OpenAPIHono {
  const api = new OpenAPIHono({
    defaultHook(result, context) {
      if (result.success) return;
      const wrong = result.error.issues.map(({ path, message }) => [...path, message].join(': '));
      return context.json({ detail: wrong.join('; ') }, 422);
    },
  });
  api.use(async (context, next) => {
    const begun = performance.now();
    await next();
    const { method, path } = context.req;
    if (path !== '/health' && path !== '/livez')
      logger.info({ method, path, status: context.res.status, ms: Math.round(performance.now() - begun) });
  });
  api.use(
    bodyLimit({
      maxSize: 100_000,
      onError() {
        throw new HTTPException(413, { message: 'the body is larger than 100 kB' });
      },
    }),
  );

  api.get('/livez', (context) => context.text('ok')); // this process lives, whatever Redis does
  api.openapi(
    createRoute({
      method: 'get',
      path: '/health',
      summary: 'Whether it works',
      responses: { 200: json('It does.', Health), 503: json('Redis is away.', Health) },
    }),
    async (context) => {
      try {
        return context.json(
          { status: 'ok' as const, store: true, heartbeat: await heartbeats.status() },
          200,
        );
      } catch {
        return context.json({ status: 'unavailable' as const, store: false, heartbeat: null }, 503);
      }
    },
  );
  api.openapi(
    createRoute({
      method: 'post',
      path: '/notifications',
      summary: 'Send a notification, in the background',
      request: {
        headers: z.object({
          'idempotency-key': z
            .string()
            .min(1)
            .max(255)
            .optional()
            .describe('A request that is repeated with the same key is one notification: the first one.'),
        }),
        body: { required: true, content: { 'application/json': { schema: Notification } } },
      },
      responses: {
        202: json('It is stored in Redis, and will be sent.', Sent),
        default: json('It is not.', Problem),
      },
    }),
    async (context) => {
      const key = context.req.valid('header')['idempotency-key'];
      const id = key === undefined ? randomUUID() : idOf(key);
      const seen = key === undefined ? undefined : await app.result(id).record({ timeout: patience });
      if (seen === undefined)
        await notify.applyAsync(context.req.valid('json'), { taskId: id, publishTimeout: patience });
      context.header('location', `/notifications/${id}`);
      return context.json({ id, status: seen?.status ?? 'PENDING', error: null }, 202);
    },
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/notifications/{id}',
      summary: 'What has become of it. PENDING: it waits, or nobody knows it',
      request: { params: z.object({ id: z.uuid() }) },
      responses: { 200: json('Its status.', Sent), default: json('Refused', Problem) },
    }),
    async (context) => {
      const { id } = context.req.valid('param');
      const result = app.result(id);
      const status = await result.status({ timeout: patience });
      const error = status === 'FAILURE' ? String(await result.info({ timeout: patience })) : null;
      return context.json({ id, status, error }, 200);
    },
  );
  documentation(api);

  api.notFound((context) => context.json({ detail: `there is no ${context.req.path}` }, 404));
  api.onError((error, context) => {
    if (error instanceof HTTPException) return context.json({ detail: error.message }, error.status);
    logger.error(error);
    const away = 'code' in error && /^UMBEL_(?:BROKER|SEND|BACKEND)/.test(String(error.code));
    return away
      ? context.json({ detail: 'Redis is away; try again' }, 503, { 'retry-after': '5' })
      : context.json({ detail: 'something is wrong here' }, 500);
  });
  return api;
}

/** A UUID (version 8) that is always the same for the same key. */
function idOf(key: string): string {
  const bytes = createHash('sha256').update(`notification ${key}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Swagger UI, served from here. */
function documentation(api: OpenAPIHono): void {
  api.doc31('/openapi.json', { openapi: '3.1.0', info: { title: 'umbel-service', version: '0.1.0' } });
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const self = ["'self'"];
  const contentSecurityPolicy = {
    defaultSrc: ["'none'"],
    scriptSrc: self,
    styleSrc: self,
    connectSrc: self,
    imgSrc: ["'self'", 'data:'],
    frameAncestors: ["'none'"],
  };
  api.use('/docs/*', secureHeaders({ contentSecurityPolicy }));
  const serve = (path: string, type: string, body: string): void => {
    api.get(path, (context) => context.body(body, 200, { 'content-type': `${type}; charset=utf-8` }));
  };
  const file = (name: string): string => readFileSync(join(swagger, name), 'utf8');
  serve('/docs', 'text/html', page);
  serve(
    '/docs/start.js',
    'text/javascript',
    `SwaggerUIBundle({ url: '/openapi.json', domNode: document.body });`,
  );
  serve('/docs/swagger.js', 'text/javascript', file('swagger-ui-bundle.js'));
  serve('/docs/swagger.css', 'text/css', file('swagger-ui.css'));
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>umbel-service: API</title>
<link rel="stylesheet" href="/docs/swagger.css">
<script src="/docs/swagger.js" defer></script>
<script src="/docs/start.js" defer></script>
<body></body>
</html>
`;
