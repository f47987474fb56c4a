// How a route is written here: what it takes is checked, what it takes and answers is shown at /docs; its handler gives a value.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, Handler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { User } from './users.ts';

export interface Env {
  Variables: { user: User; token: string };
}

interface Takes {
  readonly body?: z.ZodType;
  readonly query?: z.ZodObject;
  readonly params?: z.ZodObject;
}

interface Route {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly takes: Takes;
  /** null: it answers nothing. */
  readonly answer: z.ZodType | keyof typeof media | null;
  readonly status: 200 | 201 | 202 | 204;
}

/** Answers of other kinds than JSON: their handlers give a Response. */
const media = { events: 'text/event-stream', file: 'application/octet-stream' } as const;

/** A handler refuses by throwing {@link refused}; one that must set the status itself gives a Response. */
export type Handlers<Routes extends Readonly<Record<string, Route>>> = {
  readonly [Name in keyof Routes]: (given: Given<Routes[Name]['takes']>) => Answered<Routes[Name]['answer']>;
};

type Given<T extends Takes> = { readonly [Part in keyof T]: z.output<T[Part]> } & {
  readonly user: User;
  readonly context: Context<Env>;
};
type Value<Answer> = Answer extends z.ZodType ? z.output<Answer> : Answer extends null ? undefined : never;
type Answered<Answer> = Response | Value<Answer> | Promise<Response | Value<Answer>>;

const by =
  <const Method extends Route['method']>(method: Method) =>
  <const T extends Takes, const Answer extends Route['answer']>(
    path: string,
    summary: string,
    takes: T,
    answer: Answer,
    status: Route['status'] = answer ? 200 : 204,
  ) => ({ method, path, summary, takes, answer, status });
export const [get, post, patch, remove] = [by('get'), by('post'), by('patch'), by('delete')];

export function createRouter(): OpenAPIHono<Env> {
  const api = new OpenAPIHono<Env>({
    defaultHook(result, context) {
      if (result.success) return;
      const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
      const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
      return context.json({ detail: detail.join('; '), errors }, 422);
    },
  });
  api.onError((error, context) => {
    if (error instanceof HTTPException)
      return context.json({ detail: error.message || refusals[error.status] }, error.status);
    console.error(error);
    const away = /^(?:ECONN|57P|UMBEL_(?:BROKER|SEND))/.test('code' in error ? String(error.code) : '');
    return away
      ? context.json({ detail: 'the database or the broker is away; try again' }, 503, { 'retry-after': '5' })
      : context.json({ detail: 'something is wrong here' }, 500);
  });
  return api;
}

/** Of what Hono refuses by itself. */
const refusals: Readonly<Record<number, string>> = {
  403: 'this was sent by a page of another site',
  413: 'the body is larger than 100 kB',
};

/** Each route gets the handler of its name. */
export function serveRoutes<const Routes extends Readonly<Record<string, Route>>>(
  api: OpenAPIHono<Env>,
  routes: Routes,
  handlers: Handlers<Routes>,
): void {
  for (const [name, { takes, answer, status, ...described }] of Object.entries(routes)) {
    const { body, ...others } = takes;
    const request = { ...others, ...(body && { body: { required: true, content: json(body) } }) };
    const content =
      typeof answer === 'string' ? { [media[answer]]: { schema: z.string() } } : answer && json(answer);
    const responses = {
      [status]: { description: 'Done', ...(content && { content }) },
      default: { description: 'Refused', content: json(Problem) },
    };
    // The types of what a handler takes and gives were compared with its route above.
    const handler = handlers[name] as (given: object) => unknown;
    const handle: Handler<Env> = async (context) => {
      const valid = (where: string) => context.req.valid(where as never);
      const taken = { body: valid('json'), query: valid('query'), params: valid('param') };
      const value = await handler({ ...taken, user: context.var.user, context });
      if (value instanceof Response) return value;
      return status === 204 ? context.body(null, 204) : context.json(value as object, status);
    };
    const tags = [described.path.split('/')[1] ?? ''];
    api.openapi(createRoute({ ...described, tags, request, responses }), handle as never);
  }
}

const json = (schema: z.ZodType) => ({ 'application/json': { schema } });

export function refused(status: 401 | 404 | 409, message: string): HTTPException {
  return new HTTPException(status, { message });
}

const Problem = z
  .object({
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem');
