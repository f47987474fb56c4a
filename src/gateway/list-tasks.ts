import type { AnyTask } from '../app/task.ts';
import { jsonContent } from '../http/openapi.ts';
import { bodySchema } from './json-schema.ts';
import { problems, ref } from './openapi.ts';
import { type GatewayState, type HttpRoute, json, taskPath } from './route.ts';

/** `GET /tasks`: the tasks that can be called. */
export const listTasks: HttpRoute = {
  method: 'GET',
  path: '/tasks',
  handle: (request, gateway) =>
    json(request, 200, { tasks: [...gateway.app.tasks].map((task) => entryOf(gateway, task)) }),
  describe: () => ({
    '/tasks': {
      operationId: 'listTasks',
      summary: 'The tasks that can be called',
      tags: ['Tasks'],
      responses: {
        200: { description: 'All of them.', content: jsonContent(ref('TaskList')) },
        ...problems(401),
      },
    },
  }),
};

function entryOf(gateway: GatewayState, task: AnyTask): unknown {
  const { input, description, queue, priority, maxRetries, timeLimit, softTimeLimit, expires, ignoreResult } =
    task.options;
  return {
    name: task.name,
    description,
    takes: input === null ? 'positional' : 'keyword',
    body: bodySchema(task, '#'),
    options: {
      queue: queue ?? gateway.app.config.taskDefaultQueue,
      priority,
      maxRetries,
      timeLimit,
      softTimeLimit,
      expires,
      ignoreResult,
    },
    links: { call: taskPath(gateway, task.name) },
  };
}
