// Reading dead letters. Only with the gateway's option for it, since they contain arguments of other clients' calls.
import type { DeadLetter } from '../app/dead-letters.ts';
import { jsonContent, type Parameter } from '../http/openapi.ts';
import { Problem } from '../http/problem.ts';
import { listParameters, readListQuery } from './dead-letter-query.ts';
import { problems, ref } from './openapi.ts';
import { type GatewayState, type HttpRoute, json, type RequestContext } from './route.ts';

/** `GET /dead-letters`: the newest first, in pages. */
export const listDeadLetters: HttpRoute = {
  method: 'GET',
  path: '/dead-letters',
  async handle(request, gateway) {
    const { deadLetters } = servedBy(gateway);
    const query = new URL(request.req.url).searchParams;
    const { limit = 100, ...filter } = readListQuery(query);
    const letters: DeadLetter[] = [];
    for await (const letter of deadLetters.list({ ...filter, limit })) letters.push(letter);
    const last = letters.length < limit ? undefined : letters.at(-1);
    if (last) query.set('before', String(last.id));
    return json(request, 200, {
      deadLetters: letters.map((letter) => viewOf(gateway, letter)),
      total: await deadLetters.count(),
      next: last ? `${gateway.settings.basePath}/dead-letters?${query}` : null,
    });
  },
  describe: (gateway) =>
    whereServed(gateway, '/dead-letters', {
      operationId: 'listDeadLetters',
      summary: 'The messages that could not be run, newest first',
      tags,
      parameters: listParameters(),
      responses: {
        200: { description: 'A page of them.', content: jsonContent(ref('DeadLetterList')) },
        ...problems(400, 401, 503),
      },
    }),
};

/** `GET /dead-letters/{id}`. */
export const showDeadLetter: HttpRoute = {
  method: 'GET',
  path: '/dead-letters/:id',
  handle: async (request, gateway) => json(request, 200, viewOf(gateway, await letterOf(request, gateway))),
  describe: (gateway) =>
    whereServed(gateway, '/dead-letters/{id}', {
      operationId: 'showDeadLetter',
      summary: 'One of them: why it is here, and what it says',
      tags,
      parameters: [deadLetterId],
      responses: {
        200: { description: 'It.', content: jsonContent(ref('DeadLetter')) },
        ...problems(401, 404, 503),
      },
    }),
};

/** `GET /dead-letters/{id}/raw`: the original bytes. */
export const deadLetterBytes: HttpRoute = {
  method: 'GET',
  path: '/dead-letters/:id/raw',
  async handle(request, gateway) {
    const { raw } = await letterOf(request, gateway);
    return request.body(new Uint8Array(raw), 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': 'attachment', // a browser must not show what strangers have sent
      'Cache-Control': 'no-store',
    });
  },
  describe: (gateway) =>
    whereServed(gateway, '/dead-letters/{id}/raw', {
      operationId: 'deadLetterBytes',
      summary: 'Its original bytes',
      tags,
      parameters: [deadLetterId],
      responses: {
        200: {
          description: 'Byte for byte.',
          content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
        },
        ...problems(401, 404, 503),
      },
    }),
};

export const tags: readonly string[] = ['Dead letters'];

export const deadLetterId: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'As the list says it.',
  schema: { type: 'integer', minimum: 1 },
};

/** @throws Problem 404 when the dead letters are not to be served */
export function servedBy({ app, settings }: GatewayState): GatewayState['app'] {
  if (settings.deadLetters) return app;
  throw new Problem(
    404,
    'this gateway does not serve the dead letters; start it with --dead-letters (deadLetters: true), or use: umbel dead list',
  );
}

/** The operation; none where dead letters are not served. */
export function whereServed<Operation>(
  { settings }: GatewayState,
  path: string,
  operation: Operation,
): Readonly<Record<string, Operation>> {
  return settings.deadLetters ? { [path]: operation } : {};
}

/** @throws Problem 404 */
export function idOf(request: RequestContext): number {
  const text = request.req.param('id') ?? '';
  const id = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(id)) return id;
  throw noSuchDeadLetter(text);
}

export function noSuchDeadLetter(id: string | number): Problem {
  return new Problem(404, `there is no dead letter ${id}`);
}

async function letterOf(request: RequestContext, gateway: GatewayState): Promise<DeadLetter> {
  const { deadLetters } = servedBy(gateway);
  const id = idOf(request);
  const letter = await deadLetters.get(id);
  if (letter === undefined) throw noSuchDeadLetter(id);
  return letter;
}

function viewOf({ settings }: GatewayState, { raw, call, ...letter }: DeadLetter): unknown {
  const self = `${settings.basePath}/dead-letters/${letter.id}`;
  return { ...letter, call, size: raw.length, links: { self, raw: `${self}/raw` } };
}
