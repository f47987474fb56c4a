import { jsonContent } from '../http/openapi.ts';
import { ref } from './openapi.ts';
import { type HttpRoute, json } from './route.ts';

/** `GET /health`: this process lives. It asks no other server, so it is always fast. */
export const health: HttpRoute = {
  method: 'GET',
  path: '/health',
  open: true,
  handle: (request) => json(request, 200, { status: 'ok' }),
  describe: () => ({
    '/health': {
      operationId: 'health',
      summary: 'The process is alive',
      tags: ['Health'],
      responses: { 200: { description: 'It is.', content: jsonContent(ref('Status')) } },
    },
  }),
};
