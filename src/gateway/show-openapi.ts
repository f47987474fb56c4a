import { openApiDocument } from './openapi.ts';
import { json, type Route } from './route.ts';

/** `GET /openapi.json`: this API, described. Tasks that are registered later appear, too. */
export const showOpenApi: Route = {
  method: 'GET',
  path: '/openapi.json',
  handle: (request, gateway) => json(request, 200, openApiDocument(gateway)),
};
