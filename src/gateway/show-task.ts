import { jsonContent, type Parameter } from '../http/openapi.ts';
import { findRecord } from './find-record.ts';
import { problems, ref } from './openapi.ts';
import { type HttpRoute, json } from './route.ts';
import { viewOf } from './task-view.ts';

/** `GET /tasks/{id}`: what is known of a call now. */
export const showTask: HttpRoute = {
  method: 'GET',
  path: '/tasks/:id',
  async handle(request, gateway) {
    const record = await findRecord(gateway, request.req.param('id') ?? '');
    return json(request, 200, viewOf(record, gateway.settings.tracebacks));
  },
  describe: () => ({
    '/tasks/{id}': {
      operationId: 'showTask',
      summary: 'The state of a call',
      tags: ['Results'],
      parameters: [idParameter],
      responses: {
        200: { description: 'What is known of it now.', content: jsonContent(ref('Task')) },
        ...problems(401, 404, 503),
      },
    },
  }),
};

export const idParameter: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'As it was given when the call was sent.',
  schema: { type: 'string' },
};
