import { openApiDocument } from './openapi.ts';
import { type HttpRoute, json } from './route.ts';

/** `GET /openapi.json`: this API, described. Tasks that are registered later appear, too. */
export const showOpenApi: HttpRoute = {
  method: 'GET',
  path: '/openapi.json',
  handle: (request, gateway) => json(request, 200, openApiDocument(gateway)),
};
