import { jsonContent } from '../http/openapi.ts';
import { Problem } from '../http/problem.ts';
import { problems, ref } from './openapi.ts';
import { type HttpRoute, json } from './route.ts';

/** `GET /ready`: the stores answer, so that calls can be sent and results be read. */
export const ready: HttpRoute = {
  method: 'GET',
  path: '/ready',
  open: true,
  async handle(request, gateway) {
    try {
      await gateway.app.ensureConnection({ timeout: 2 });
    } catch (cause) {
      // The cause may reveal where the store is: only the log has it, since this route is open to all.
      throw new Problem(503, 'the broker or the result backend does not answer', {
        headers: { 'Retry-After': '5' },
        cause,
      });
    }
    return json(request, 200, { status: 'ready' });
  },
  describe: () => ({
    '/ready': {
      operationId: 'ready',
      summary: 'The stores answer',
      tags: ['Health'],
      responses: { 200: { description: 'They do.', content: jsonContent(ref('Status')) }, ...problems(503) },
    },
  }),
};
