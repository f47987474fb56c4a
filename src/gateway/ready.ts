import { Problem } from '../http/problem.ts';
import { withDeadline } from '../lib/deadline.ts';
import { jsonContent, problems, ref } from './openapi.ts';
import { type GatewayState, type HttpRoute, json } from './route.ts';

/** `GET /ready`: the stores answer, so that calls can be sent and results be read. */
export const ready: HttpRoute = {
  method: 'GET',
  path: '/ready',
  open: true,
  async handle(request, gateway) {
    try {
      await withDeadline(
        deadlineMs,
        checkStores(gateway),
        () => new Error(`no answer within ${deadlineMs} ms`),
      );
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

const deadlineMs = 2000;

async function checkStores({ app }: GatewayState): Promise<void> {
  const broker = await app.broker();
  await broker.size(app.config.taskDefaultQueue);
  const backend = await app.backend();
  await backend?.get('umbel-ready');
}
