// The API's description, OpenAPI 3.1: made from the routes and the registered tasks.
import type { App } from '../app/app.ts';
import type { AnyTask } from '../app/task.ts';
import {
  type JsonSchema,
  jsonContent,
  type Operation,
  problemResponse,
  type ResponseDescription,
} from '../http/openapi.ts';
import { callParameters } from './call-query.ts';
import { bodySchema } from './json-schema.ts';
import type { GatewayState } from './route.ts';
import { type ComponentName, components } from './schemas.ts';

/** The whole document. */
export function openApiDocument(gateway: GatewayState): unknown {
  const { app, routes, settings, keys } = gateway;
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, open, describe } of routes) {
    for (const [path, operation] of Object.entries(describe?.(gateway) ?? {})) {
      const secured = keys.required && open !== true ? { security: [{ bearer: [] }, { apiKey: [] }] } : {};
      paths[path] = { ...paths[path], [method.toLowerCase()]: { ...operation, ...secured } };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: app.name,
      version: '1',
      description: 'Calls the tasks of this application, and reads their results.',
    },
    servers: [{ url: settings.basePath || '/' }],
    paths,
    components: {
      schemas: {
        ...components,
        ...Object.fromEntries(
          [...app.tasks].map((task) => [componentOf(task), bodySchema(task, refTo(task))]),
        ),
      },
      ...(keys.required && { securitySchemes }),
    },
  };
}

/** `POST /tasks/{name}` of each task: a path of its own, so that clients and forms know its arguments. */
export function describeCalls(app: App): Readonly<Record<string, Operation>> {
  return Object.fromEntries(
    [...app.tasks].map((task) => [`/tasks/${encodeURIComponent(task.name)}`, callOf(task)]),
  );
}

export function ref(component: ComponentName): JsonSchema {
  return { $ref: `#/components/schemas/${component}` };
}

/** The answers to failed requests. */
export function problems(...statuses: readonly number[]): Readonly<Record<string, ResponseDescription>> {
  return Object.fromEntries(
    statuses.map((status) => [String(status), problemResponse(reasons[status] ?? 'It failed.')]),
  );
}

const reasons: Readonly<Record<number, string>> = {
  400: 'The query, a header or the JSON is wrong.',
  401: 'No API key, or a wrong one.',
  404: 'There is nothing with this name or id.',
  409: 'Another call has this task_id; or the dead letter is of another program, and can only be discarded.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The arguments do not fit the task, or the Idempotency-Key was used for another request.',
  429: 'Too many requests of your address wait already.',
  503: 'The broker is not available; nothing was sent.',
};

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer' },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
};

function callOf(task: AnyTask): Operation {
  const { description, input } = task.options;
  return {
    operationId: `call.${componentOf(task)}`,
    summary: firstSentence(description) ?? task.name,
    ...(description !== null && { description }),
    tags: ['Tasks'],
    parameters: [
      ...callParameters(),
      {
        name: 'Idempotency-Key',
        in: 'header',
        description: 'The same key with the same request is one call, however often it is sent.',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
      },
    ],
    requestBody: { required: input !== null, content: jsonContent({ $ref: refTo(task) }) },
    responses: {
      202: {
        description: 'The broker holds the call.',
        headers: { Location: { description: 'The path of its state.', schema: { type: 'string' } } },
        content: jsonContent(ref('AcceptedCall')),
      },
      ...problems(400, 401, 409, 413, 415, 422, 503),
    },
  };
}

/** A title for people; the path has the name already. */
function firstSentence(text: string | null): string | undefined {
  return /^[^\n]{1,119}?(?:\.(?=\s|$)|$)/.exec(text?.trim() ?? '')?.[0];
}

/** The task's name as the name of a component, which may not contain all characters. */
function componentOf(task: AnyTask): string {
  return `task.${task.name.replace(/[^\w.-]/g, (character) => `_${character.codePointAt(0)?.toString(16)}_`)}`;
}

function refTo(task: AnyTask): string {
  return `#/components/schemas/${componentOf(task)}`;
}
