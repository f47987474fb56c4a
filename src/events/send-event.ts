import type { App } from '../app/app.ts';
import { currentTask } from '../app/running/context.ts';
import { ConfigError } from '../errors.ts';
import { eventKey, eventMessage } from '../protocol/event.ts';
import { anonymousNode, stamped } from './node.ts';

/**
 * Sends an event of your own to all current listeners. Inside of a task it has the task's id, and its worker's name.
 * @throws ConfigError for a type that begins with `task-` or `worker-`: monitors would take it for a state
 * @example await sendEvent(app, 'order-shipped', { order: 17 });
 */
export async function sendEvent(
  app: App,
  type: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  if (!/^[a-z0-9][a-z0-9_.-]*$/i.test(type) || /^(?:task|worker)-/.test(type))
    throw new ConfigError(
      `an event of your own has a type like 'order-shipped', not '${type}': 'task-' and 'worker-' are Celery's own`,
    );
  const request = currentTask()?.request;
  const about = request === undefined ? fields : { uuid: request.id, ...fields };
  const event = stamped(type, request?.hostname || anonymousNode(), about, Date.now());
  const { fanout } = await app.broker();
  const { events } = app.exchanges;
  await fanout.publish(events, eventKey(type), eventMessage(events.name, event, eventKey(type)));
}
