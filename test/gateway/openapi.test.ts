import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { App } from '../../src/app/app.ts';
import type { StandardSchema } from '../../src/config/standard-schema.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { routes } from '../../src/gateway/routes.ts';
import { get, newApp, newGateway } from './bench.ts';

interface Document {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, unknown>>;
    readonly securitySchemes?: Readonly<Record<string, unknown>>;
  };
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: { readonly 'application/json': { readonly schema: { readonly $ref: string } } };
  };
}

async function documentOf(app: App, options: GatewayOptions = {}): Promise<Document> {
  const headers = { 'x-api-key': options.apiKeys?.[0] ?? 'none' };
  const response = await get(
    newGateway(app, options),
    `${options.basePath?.replace(/\/$/, '') ?? ''}/openapi.json`,
    headers,
  );
  expect(response.status).toBe(200);
  return (await response.json()) as Document; // held against the standard below
}

/** It compiles the standard's schema once. */
const validator = new Validator();

/** Fails unless the document is valid OpenAPI, and each of its references leads somewhere in it. */
async function expectValid(document: Document): Promise<void> {
  const result = await validator.validate({ ...structuredClone(document) });
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const reference of referencesIn(document)) expect(at(document, reference), reference).toBeDefined();
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === '$ref' && typeof member === 'string' ? [member] : referencesIn(member),
  );
}

function at(document: Document, reference: string): unknown {
  let value: unknown = document;
  for (const step of reference.replace(/^#\//, '').split('/')) {
    const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  }
  return value;
}

function bodyOf(document: Document, path: string): unknown {
  return at(document, document.paths[path]?.post?.requestBody?.content['application/json'].schema.$ref ?? '');
}

it('the document is valid OpenAPI 3.1, for an application without tasks too', async () => {
  const document = await documentOf(newApp());
  expect(document.openapi).toBe('3.1.0');
  await expectValid(document);
});

it('each task has a path of its own with the schema of its body', async () => {
  const app = newApp();
  app.task('shop.add', { description: 'Adds. Both v1.5 numbers.' }, (x: number, y: number) => x + y);
  const input = z.object({
    customer: z.string().min(1),
    rows: z.array(z.object({ id: z.int() })).default([]),
  });
  app.task('shop.order', { input }, ({ customer }) => customer);
  const document = await documentOf(app);
  await expectValid(document);
  expect(document.paths['/tasks/shop.add']?.post).toMatchObject({
    summary: 'Adds.',
    description: 'Adds. Both v1.5 numbers.',
  });
  expect(bodyOf(document, '/tasks/shop.add')).toMatchObject({
    properties: { args: { type: 'array', description: 'In this order: x, y.' } },
  });
  expect(document.paths['/tasks/shop.order']?.post).toMatchObject({
    summary: 'shop.order',
    requestBody: { required: true },
  });
  expect(bodyOf(document, '/tasks/shop.order')).toMatchObject({
    type: 'object',
    required: ['customer'],
    properties: { customer: { type: 'string', minLength: 1 }, rows: { default: [] } },
  });
});

it('the options of a call are parameters of its operation', async () => {
  const app = newApp();
  app.task('shop.now', () => 'now');
  const { paths } = await documentOf(app);
  const parameters = paths['/tasks/shop.now']?.post?.parameters?.map(
    (parameter) => `${parameter.in} ${parameter.name}`,
  );
  expect(parameters).toEqual([
    'query countdown',
    'query eta',
    'query expires',
    'query queue',
    'query priority',
    'query task_id',
    'header Idempotency-Key',
  ]);
});

it('a schema that refers to itself, or to definitions of its own, keeps its references', async () => {
  const app = newApp();
  const folder = z.object({
    name: z.string(),
    get folders() {
      return z.array(folder);
    },
  });
  const address = z.object({ city: z.string() }).meta({ id: 'address' });
  app.task('tree.walk', { input: folder }, ({ name }) => name);
  app.task('tree.send', { input: z.object({ from: address, to: address }) }, () => null);
  await expectValid(await documentOf(app));
});

it('members with the names of keywords are members', async () => {
  const app = newApp();
  const node = z.object({ x: z.int() }).meta({ id: 'node' });
  const input = z.object({
    default: node,
    enum: node,
    const: node,
    examples: z.array(node),
    $ref: z.string(),
  });
  app.task('odd.names', { input }, () => null);
  const document = await documentOf(app);
  const { properties } = bodyOf(document, '/tasks/odd.names') as {
    properties: Record<string, { $ref: string }>;
  }; // zod's
  expect(at(document, properties.default?.$ref ?? '')).toMatchObject({
    properties: { x: { type: 'integer' } },
  });
  expect(at(document, properties.enum?.$ref ?? '')).toBeDefined();
});

it('what JSON Schema cannot say is left open, and the rest is said', async () => {
  const app = newApp();
  app.task('shop.since', { input: z.object({ since: z.date(), limit: z.int() }) }, () => null);
  const document = await documentOf(app);
  await expectValid(document);
  expect(bodyOf(document, '/tasks/shop.since')).toMatchObject({
    properties: { since: {}, limit: { type: 'integer' } },
  });
});

it('a schema of a library that offers no JSON Schema is any object', async () => {
  const app = newApp();
  const input: StandardSchema<{ a: number }> = {
    '~standard': { version: 1, vendor: 'homemade', validate: () => ({ value: { a: 1 } }) },
  };
  app.task('home.made', { input }, ({ a }) => a);
  const document = await documentOf(app);
  await expectValid(document);
  expect(bodyOf(document, '/tasks/home.made')).toEqual({ type: 'object' });
});

it.each([
  'shop/add',
  'shop add',
  'shop.{id}',
  'größe.übernehmen',
  'a#b?c',
  '%41',
  '任务',
])('a task named %s has a path that leads to it', async (name) => {
  const app = newApp();
  app.task(name, () => 1);
  const document = await documentOf(app);
  await expectValid(document);
  const [path] = Object.keys(document.paths).filter((each) => document.paths[each]?.post);
  const request = new Request(`http://localhost${path}`, { method: 'POST' });
  expect((await newGateway(app).fetch(request)).status).toBe(202);
});

it('a task that is registered later appears', async () => {
  const app = newApp();
  const gateway = newGateway(app);
  await get(gateway, '/openapi.json');
  app.task('late.comer', () => 1);
  const { paths } = (await (await get(gateway, '/openapi.json')).json()) as Document; // valid: see above
  expect(paths).toHaveProperty(['/tasks/late.comer']);
});

it('every route for programs is described', async () => {
  const forPeople = ['/', '/docs', '/docs/:file', '/openapi.json'];
  const app = newApp();
  app.task('shop.add', () => 1);
  const document = await documentOf(app, { deadLetters: true });
  await expectValid(document);
  const { paths } = document;
  for (const { method, path } of routes.filter((route) => !forPeople.includes(route.path))) {
    const isCall = method === 'POST' && path === '/tasks/:id';
    const described = isCall ? '/tasks/shop.add' : path.replace(':id', '{id}');
    expect(paths[described], described).toHaveProperty(method.toLowerCase());
  }
});

it('with API keys the document says how to give one, for each route that wants it', async () => {
  const app = newApp();
  app.task('shop.add', () => 1);
  const document = await documentOf(app, { apiKeys: ['secret'] });
  await expectValid(document);
  expect(Object.keys(document.components.securitySchemes ?? {})).toEqual(['bearer', 'apiKey']);
  expect(document.paths['/tasks/shop.add']?.post?.security).toHaveLength(2);
  expect(document.paths['/health']?.get?.security).toBeUndefined();
  expect(JSON.stringify(document)).not.toContain('secret');
});

it('under a base path the document says where it is served', async () => {
  const document = await documentOf(newApp(), { basePath: '/api/' });
  expect(document.servers).toEqual([{ url: '/api' }]);
});
