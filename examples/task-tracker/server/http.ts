// How a route is written here: what it takes and what it answers are checked, and shown at /docs; its handler gives a value.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, Handler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { User } from './users.ts';

export interface Env {
  Variables: { user: User; token: string };
}

interface Takes<Body extends z.ZodType, Query extends z.ZodObject, Params extends z.ZodObject> {
  readonly body?: Body;
  readonly query?: Query;
  readonly params?: Params;
  /** Of the answer; default 200, and 204 where there is none. */
  readonly status?: 200 | 201 | 202;
}

/** Null answers nothing. A handler refuses by throwing {@link refused}; one that must set the status itself gives a Response. */
export type Route = <
  Answer extends z.ZodType | null,
  Body extends z.ZodType = z.ZodNever,
  Query extends z.ZodObject = z.ZodObject,
  Params extends z.ZodObject = z.ZodObject,
>(
  method: 'get' | 'post' | 'patch' | 'delete',
  path: string,
  summary: string,
  takes: Takes<Body, Query, Params>,
  answer: Answer,
  handler: (given: {
    readonly body: z.output<Body>;
    readonly query: z.output<Query>;
    readonly params: z.output<Params>;
    readonly user: User;
    readonly context: Context<Env>;
  }) => Given<Answer> | Promise<Given<Answer>>,
) => void;

type Given<Answer> = Response | (Answer extends z.ZodType ? z.output<Answer> : undefined);

export function createRouter(): { readonly api: OpenAPIHono<Env>; readonly route: Route } {
  const api = new OpenAPIHono<Env>({
    defaultHook: (result, context) => {
      if (result.success) return;
      const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
      const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
      return context.json({ detail: detail.join('; '), errors }, 422);
    },
  });
  const route: Route = (method, path, summary, { body, query, params, status = 200 }, answer, handler) => {
    const request = {
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
      ...(query && { query }),
      ...(params && { params }),
    };
    const good = answer
      ? { [status]: { description: 'Done', content: { 'application/json': { schema: answer } } } }
      : { 204: { description: 'Done' } };
    const bad = { default: { description: 'Refused', content: { 'application/json': { schema: Problem } } } };
    const described = { method, path, summary, tags: [path.split('/')[1] ?? ''], request };
    const handle: Handler<Env> = async (context) => {
      // What was checked before, by the schemas above.
      const valid = (where: string): never => context.req.valid(where as never);
      const value = await handler({
        body: body && valid('json'),
        query: query && valid('query'),
        params: params && valid('param'),
        user: context.var.user,
        context,
      } as Parameters<typeof handler>[0]);
      if (value instanceof Response) return value;
      return answer ? context.json(value as object, status) : context.body(null, 204);
    };
    api.openapi(createRoute({ ...described, responses: { ...good, ...bad } }), handle as never);
  };
  api.onError((error, context) => {
    if (error instanceof HTTPException)
      return context.json({ detail: error.message || 'refused' }, error.status);
    console.error(error);
    const away = /^(?:ECONN|57P|UMBEL_(?:BROKER|SEND))/.test('code' in error ? String(error.code) : '');
    return away
      ? context.json({ detail: 'the database or the broker is away; try again' }, 503, { 'retry-after': '5' })
      : context.json({ detail: 'something is wrong here' }, 500);
  });
  api.notFound((context) => context.json({ detail: `there is no ${context.req.path}` }, 404));
  return { api, route };
}

export function refused(status: 401 | 404 | 409 | 413, message: string): HTTPException {
  return new HTTPException(status, { message });
}

const Problem = z
  .object({
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem');
