// The document of the API of the pages, OpenAPI 3.1. What a request takes comes from the routes' own checks, what they answer from the types of
// their answers, which the build writes down: so the document cannot say anything else than the routes do.
import { readFile } from 'node:fs/promises';
import type { RouterRoute } from 'hono/types';
import { z } from 'zod';
import {
  type JsonSchema,
  jsonContent,
  type Operation,
  type Parameter,
  problemResponse,
  problemSchema,
  type ResponseDescription,
} from '../../../http/openapi.ts';
import { builtFile } from '../../../lib/built-file.ts';
import { isRecord } from '../../../lib/narrow.ts';
import { lowestRole, rightsAskedBy } from '../roles.ts';
import { checkOf } from './checked.ts';

/** Of `scripts/answer-schemas.mjs`: by method and path (`GET /tasks/:id`), the schemas by status. */
type AnswerSchemas = Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;

interface Facts {
  readonly title: string;
  readonly version: string;
  /** The path below which the routes are: `/flower/api/v1`. */
  readonly base: string;
  readonly hasLogin: boolean;
  /** In a few words, what each does: `GET /tasks/:id`. */
  readonly summaries: Readonly<Record<string, string>>;
  readonly answers: AnswerSchemas;
}

/** The schemas of the answers, as the build wrote them; without: the package was bundled without its own files. */
export async function readAnswerSchemas(): Promise<AnswerSchemas> {
  const url = builtFile('dashboard/answers.json');
  const text = url === null ? null : await readFile(url, 'utf8').catch(() => null);
  return text === null ? {} : JSON.parse(text);
}

/** Pure. `routes`: those of hono, an entry for each middleware of a route. */
export function apiDocument(routes: readonly RouterRoute[], facts: Facts): unknown {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [key, handlers] of handlersByRoute(routes)) {
    const [method = '', path = ''] = key.split(' ');
    const documented = path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}');
    paths[documented] = { ...paths[documented], [method.toLowerCase()]: operationOf(key, handlers, facts) };
  }
  const { title, version, base, hasLogin } = facts;
  return {
    openapi: '3.1.0',
    info: { title, version, description: 'What the pages of the dashboard show, and what they do.' },
    servers: [{ url: base }],
    ...(hasLogin && { security: [{ basic: [] }] }),
    paths,
    components: {
      schemas: { Problem: problemSchema },
      ...(hasLogin && { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } }),
    },
  };
}

/** The middleware of each route, in order, by `GET /tasks/:id`. */
function handlersByRoute(routes: readonly RouterRoute[]): ReadonlyMap<string, readonly object[]> {
  const found = new Map<string, object[]>();
  for (const { method, path, handler } of routes) {
    if (method === 'ALL') continue; // checks of all routes
    const key = `${method} ${path}`;
    found.set(key, [...(found.get(key) ?? []), handler]);
  }
  return found;
}

function operationOf(key: string, handlers: readonly object[], facts: Facts): Operation {
  const [method = '', path = ''] = key.split(' ');
  const checks = handlers.flatMap((each) => checkOf(each) ?? []);
  const rights = handlers.flatMap((each) => rightsAskedBy(each) ?? []);
  const role = rights.length === 0 ? undefined : lowestRole(rights);
  const body = checks.find(({ target }) => target === 'json');
  const parameters = [
    ...pathParameters(path),
    ...checks.filter(({ target }) => target === 'query').flatMap(({ schema }) => queryParameters(schema)),
  ];
  return {
    operationId: [method.toLowerCase(), ...(path.match(/\w+(?![^{]*\})/g) ?? [])].join('.'),
    summary: facts.summaries[key] ?? key,
    ...(role !== undefined && {
      description: `For the role ${role} and above, or with the right ${rights.map((each) => `+${each}`).join(' or ')}.`,
    }),
    tags: [path.split('/')[1] ?? ''],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: jsonContent(inputSchema(body.schema)) },
    }),
    responses: {
      ...answersOf(facts.answers[key] ?? { 200: {} }, path),
      ...(facts.hasLogin && { 401: problemResponse('No login, or a wrong one.') }),
      ...(role !== undefined && {
        403: problemResponse(`The user has not the role ${role}, or the dashboard is read-only.`),
      }),
      422: problemResponse('A value is missing or wrong: nothing was done.'),
      503: problemResponse('A store does not answer.'),
      default: problemResponse('It failed.'),
    },
  };
}

function answersOf(
  schemas: Readonly<Record<string, JsonSchema>>,
  path: string,
): Readonly<Record<string, ResponseDescription>> {
  if (path === '/live')
    return {
      200: {
        description: 'Server-sent events.',
        content: { 'text/event-stream': { schema: { type: 'string' } } },
      },
    };
  return Object.fromEntries(
    Object.entries(schemas).map(([status, schema]) => [
      status,
      { description: status === '202' ? 'It has begun.' : 'Done.', content: jsonContent(schema) },
    ]),
  );
}

/** Of `/schedules/:name/:verb{pause|resume}`. */
function pathParameters(path: string): readonly Parameter[] {
  return [...path.matchAll(/:(\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', pattern]) => ({
    name,
    in: 'path',
    required: true,
    schema:
      pattern === undefined
        ? { type: 'string', maxLength: 512 }
        : /^[\w|]+$/.test(pattern)
          ? { enum: pattern.split('|') }
          : { type: 'string', pattern: `^${pattern}$` },
  }));
}

function queryParameters(schema: z.ZodType): readonly Parameter[] {
  const { properties, required } = inputSchema(schema);
  const names: readonly unknown[] = Array.isArray(required) ? required : [];
  return Object.entries(isRecord(properties) ? properties : {}).map(([name, each]) => ({
    name,
    in: 'query',
    ...(names.includes(name) && { required: true }),
    schema: isRecord(each) ? each : {},
  }));
}

/** What the request must have. Checks that JSON Schema cannot express are left out. */
function inputSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}
