// What the parts of a workflow carry along, since other programs send them: a worker of another application, or of Python.

import { noOptions } from '../config/call-options.ts';
import { type PriorityName, priorityNumber } from '../config/priority.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { scaleOf } from '../sending/address.ts';
import { type PublishRules, within } from '../sending/publish.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import { storeNamed } from '../stores/registry.ts';
import { withOptions } from './construct.ts';
import { mapTasks } from './map-tasks.ts';

/**
 * Adds to the parts of a workflow: their queues, where these differ from the usual ones; the address of their results; and the number of a
 * priority's name.
 */
export async function addressedParts(
  app: SendingApp,
  signature: WireSignature,
  rules: PublishRules,
): Promise<WireSignature> {
  const { backend: url, taskDefaultPriority, taskDefaultQueue } = app.config;
  const awaitsMessages = url !== null && storeNamed(url)?.resultsAreMessages === true;
  const named = typeof taskDefaultPriority === 'string';
  const routed = app.router.byName && (!app.router.empty || taskDefaultQueue !== 'celery');
  if (!awaitsMessages && !named && !routed) return signature;
  const { backend } =
    awaitsMessages || named ? (app.stores ?? (await within(app.open(), rules))) : { backend: null };
  const replyTo = awaitsMessages ? await backend?.replyTo?.() : undefined;
  return mapTasks(signature, (task) => {
    const place = routed ? placeOf(app, task) : {};
    const queue = place.queue ?? task.options.queue;
    const { priority } = task.options;
    const scale = scaleOf(app, typeof queue === 'string' ? queue : taskDefaultQueue);
    return withOptions(task, {
      ...place,
      ...(typeof priority === 'string' && { priority: priorityNumber(priority as PriorityName, scale) }), // checked when it was set
      ...(replyTo !== undefined && { reply_to: replyTo }),
    });
  });
}

/** The destination of a part that names none itself, by the settings of its sender. */
function placeOf(app: SendingApp, { task, args, kwargs, options }: WireSignature): Json {
  if (options.queue !== undefined || options.exchange !== undefined || options.routing_key !== undefined)
    return {};
  const route = app.router.route(task, args, kwargs, noOptions) ?? noOptions;
  const { queue, exchange, routingKey }: { queue?: string; exchange?: string; routingKey?: string } = route;
  if (queue === undefined && exchange === undefined && routingKey === undefined) {
    const { taskDefaultQueue } = app.config;
    return taskDefaultQueue === 'celery' ? {} : { queue: taskDefaultQueue };
  }
  return {
    ...(queue !== undefined && { queue }),
    ...(exchange !== undefined && { exchange }),
    ...(routingKey !== undefined && { routing_key: routingKey }),
  };
}
