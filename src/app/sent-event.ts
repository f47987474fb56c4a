// Telling that a task was sent (Celery's task-sent), where `taskSendSentEvent` asks for it.
import { hostname } from 'node:os';
import { LamportClock } from '../lib/lamport.ts';
import { eventKey, eventMessage } from '../protocol/event.ts';
import { eventExchange } from '../transports/fanout.ts';
import type { App } from './app.ts';
import { currentTask } from './context.ts';
import type { PreparedCall } from './sender.ts';

const clock = new LamportClock();
const type = 'task-sent';

/** News, not a step: the send does not wait for it, and does not fail with it. */
export function tellSent(app: App, { message, queue, encoding }: PreparedCall): void {
  const fanout = app.stores?.transport.fanout;
  if (fanout === undefined) return;
  const now = Date.now();
  const event = {
    type,
    hostname: currentTask()?.request.hostname || `gen${process.pid}@${hostname()}`,
    timestamp: now / 1000,
    utcoffset: Math.floor(new Date(now).getTimezoneOffset() / 60),
    pid: process.pid,
    clock: clock.forward(),
    uuid: message.id,
    name: message.shadow ?? message.task,
    args: message.argsrepr,
    kwargs: message.kwargsrepr,
    root_id: message.rootId,
    parent_id: message.parentId,
    retries: message.retries,
    eta: message.eta?.toISOString() ?? null,
    expires: message.expires?.toISOString() ?? null,
    queue,
    exchange: encoding.exchange,
    routing_key: encoding.routingKey,
  };
  fanout.publish(eventExchange, eventKey(type), eventMessage(event, eventKey(type))).catch(() => undefined);
}
