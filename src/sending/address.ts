// Makes the publications of a message: its destination, the address of its result, and the record that it was sent.
import { type PriorityScale, priorityNumber } from '../config/priority.ts';
import type { TaskMessage, WireMessage } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { ExchangeAddress, Publication } from '../stores/transport.ts';
import { type EncodedCall, encodeCall } from './encode.ts';
import type { Encoding, PreparedCall } from './prepare.ts';
import type { SendingApp } from './sending-app.ts';

/**
 * Adds what is only known when the stores are open: the address of the result, if results travel as messages, and the number of a priority's
 * name, if the stores were not open before. All of it is outside of the body.
 */
export function addressedCall(app: SendingApp, call: EncodedCall): EncodedCall | Promise<EncodedCall> {
  const { prepared, wire } = call;
  const { message, priority, queue } = prepared;
  const number = priorityNumber(priority, scaleOf(app, queue));
  const ranked =
    number === message.priority ? call : { prepared, wire: withProperties(wire, { priority: number }) };
  const backend = app.stores?.backend;
  if (!backend?.replyTo || message.ignoreResult || message.replyTo !== '') return ranked;
  return backend.replyTo().then((replyTo) => ({ prepared, wire: withProperties(ranked.wire, { replyTo }) }));
}

/**
 * The publications of a call: one, or one for each queue where the broker has no exchanges.
 * @throws UnroutableError
 */
export function publicationsOf(
  app: SendingApp,
  { prepared: call, wire }: EncodedCall,
): readonly Publication[] {
  const { exchange: name, routingKey } = call.encoding;
  const publication = withRecord(app, call, wire);
  if (name === '' || publication.broadcast !== undefined) return [publication];
  const exchange: ExchangeAddress = { name, routingKey };
  if (app.stores?.transport.features.exchanges === true) return [{ ...publication, exchange }];
  const [first, ...others] = app.topology.route(exchange);
  const { write, ...copy } = publication;
  // Only the first carries the record that it was sent: the second would find that record and be taken for a repetition.
  return [{ ...publication, queue: first ?? call.queue }, ...others.map((queue) => ({ ...copy, queue }))];
}

/**
 * The publication of a message. The first message of a call carries the record that it was sent, if broker and backend share a store.
 * The stores must be open (`await app.broker()`).
 * @throws NotSerializableError, PayloadTooLargeError
 */
export function toPublication(app: SendingApp, message: TaskMessage, queue: string): Publication {
  const options = app.tasks.get(message.task)?.options ?? app.defaults;
  const encoding: Encoding = {
    serializer: options.serializer,
    compression: options.compression,
    exchange: '',
    routingKey: queue,
  };
  const call: PreparedCall = { message, queue, encoding, priority: message.priority };
  return withRecord(app, call, encodeCall(app, message, encoding));
}

/** Adds the record that a task was sent. Because of it `exists()` can tell a waiting task from one that was never sent. */
function withRecord(app: SendingApp, { message, queue }: PreparedCall, wire: WireMessage): Publication {
  const { id, eta } = message;
  const broadcast = app.topology.broadcast(queue);
  if (broadcast !== undefined) return { id, queue, message: wire, eta, broadcast };
  if (message.retries > 0) return { id, queue, message: wire, eta };
  const publication: Publication = { id, queue, message: wire, eta, once: true };
  const stores = app.stores;
  if (message.ignoreResult || stores === null) return publication;
  const { transport, backend } = stores;
  if (backend === null || backend.store !== transport.store || !backend.features.remembersSent)
    return publication;
  const elsewhere = !app.tasks.get(message.task)?.run;
  return { ...publication, write: backend.writeOfSent(sentRecord(app, message, queue), elsewhere) };
}

function withProperties(wire: WireMessage, properties: Partial<WireMessage['properties']>): WireMessage {
  return { ...wire, properties: { ...wire.properties, ...properties } };
}

export function scaleOf(app: SendingApp, queue: string): PriorityScale {
  const priorityOrder = app.stores?.transport.features.priorityOrder ?? 'lowest-first';
  return { priorityOrder, maxPriority: app.topology.queue(queue).maxPriority };
}

function sentRecord(app: SendingApp, message: TaskMessage, queue: string): ResultRecord {
  const record: ResultRecord = {
    taskId: message.id,
    status: 'PENDING',
    result: null,
    traceback: null,
    children: [],
    dateDone: null,
    groupId: message.group,
    parentId: message.parentId,
  };
  if (!app.config.resultExtended) return record;
  return {
    ...record,
    name: message.task,
    args: message.args,
    kwargs: message.kwargs,
    worker: null,
    retries: 0,
    queue,
  };
}
