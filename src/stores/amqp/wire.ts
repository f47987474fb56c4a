// A message of ours as AMQP has it, and back.

import { createHash } from 'node:crypto';
import { textOr } from '../../lib/narrow.ts';
import { encodeEnvelope } from '../../protocol/envelope.ts';
import type { Decoded, DeliveryInfo, Json, WireMessage } from '../../protocol/message.ts';
import type { AmqpAnyMessage, AmqpPublishOptions } from './client/link.ts';

/** What we write on the outside of a message that came back. Never seen by tasks. */
export const crashesHeader = 'x-umbel-crashes';
export const deferralsHeader = 'x-umbel-deferrals';
/** It was delivered before, and sent again by the worker that had it: there may be another one of it. */
export const returnedHeader = 'x-umbel-returned';
/** It was a dead letter, and was put back: there may be another one of it. Its record may be of its earlier life. */
export const replayedHeader = 'x-umbel-replayed';
/** Not to be handed out before, milliseconds since 1970: of a deferred message, beside the task's own eta. */
export const untilHeader = 'x-umbel-until';
/** It was deferred until its time, and monitors were told of it (see `Delivery.isAnnounced`). */
export const announcedHeader = 'x-umbel-announced';
/** On a dead letter: what is known of it, as JSON. */
export const deadHeader = 'x-umbel-dead';

/** How the names of messages begin that our senders give them. */
export const messageIdPrefix = 'umbel-';

const ours: ReadonlySet<string> = new Set([
  crashesHeader,
  deferralsHeader,
  returnedHeader,
  replayedHeader,
  untilHeader,
  announcedHeader,
  deadHeader,
]);

/** As amqplib's `publish` takes it. `isCopy`: there may be another one of it. */
export function toOptions(
  { contentType, contentEncoding, headers, properties }: WireMessage,
  isCopy = false,
): AmqpPublishOptions {
  const marked = isCopy || properties.deliveryInfo.redelivered === true;
  const { correlationId, replyTo, priority, deliveryMode, other } = properties;
  return {
    contentType,
    contentEncoding,
    headers: tableOf(marked ? { ...headers, [returnedHeader]: 1 } : headers),
    deliveryMode: deliveryMode === 1 ? 1 : 2,
    priority: Math.min(255, Math.max(0, priority)),
    ...(correlationId !== null && { correlationId }),
    ...(replyTo !== null && { replyTo }),
    ...(isShort(other.app_id) && { appId: other.app_id }),
    ...(isShort(other.type) && { type: other.type }),
    ...(isTime(other.timestamp) && { timestamp: other.timestamp }),
    // No `expiration`: RabbitMQ would drop the message without a word, and nobody would say that the task expired.
    mandatory: true,
  };
}

/** Text that AMQP takes as a property. */
function isShort(value: unknown): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) <= 255;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The same message again, with other marks on the outside. */
export function againOptions(
  message: AmqpAnyMessage,
  marks: Readonly<Record<string, unknown>>,
): AmqpPublishOptions {
  const { properties } = message;
  const headers: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    if (!ours.has(name) && !isBrokers(name)) headers[name] = fieldOf(value);
  }
  const {
    contentType,
    contentEncoding,
    deliveryMode,
    priority,
    correlationId,
    replyTo,
    messageId,
    timestamp,
    type,
    appId,
  } = properties;
  // Not the `userId`: RabbitMQ takes it from a connection of that user only, and closes the channel of any other.
  const given = {
    contentType,
    contentEncoding,
    deliveryMode,
    priority,
    correlationId,
    replyTo,
    messageId,
    timestamp,
    type,
    appId,
  };
  const options = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  );
  return { ...options, headers: { ...headers, ...marks }, mandatory: true };
}

/**
 * What RabbitMQ itself noted of an earlier life; Celery takes it off, too. A retry that took `x-death` along, and waits in the same queue
 * as the one before, RabbitMQ takes for a message that goes round in a circle, and drops without a word.
 */
function isBrokers(name: string): boolean {
  return /^x-(?:death|delivery-count|first-death-|last-death-)/.test(name);
}

/** What was sent, or why it is none: a message that does not say what its body is. */
export function fromMessage(message: AmqpAnyMessage, redelivered: boolean): Decoded<WireMessage> {
  const { content, fields, properties } = message;
  if (typeof properties.contentType !== 'string') {
    const detail = 'the message has no content type: it is not from Celery or Umbel';
    return { ok: false, refusal: { reason: 'envelope', detail } };
  }
  const headers: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    if (!ours.has(name) && !isBrokers(name)) headers[name] = plainOf(value);
  }
  return {
    ok: true,
    value: {
      body: content,
      contentType: properties.contentType,
      contentEncoding: textOr(properties.contentEncoding, 'utf-8'),
      headers,
      properties: {
        correlationId: textOr(properties.correlationId, null),
        replyTo: textOr(properties.replyTo, null),
        priority: typeof properties.priority === 'number' ? properties.priority : 0,
        deliveryMode: properties.deliveryMode === 1 ? 1 : 2,
        expiration: textOr(properties.expiration, null),
        deliveryTag: null,
        deliveryInfo: {
          exchange: fields.exchange,
          routing_key: fields.routingKey,
          ...(redelivered && { redelivered: true }),
        },
        other: othersOf(properties),
      },
    },
  };
}

/** What a sender may set beside what Celery does, by its name on the wire. Not the name that we give a message. */
function othersOf({ appId, type, timestamp, userId, messageId }: AmqpAnyMessage['properties']): Json {
  const named =
    typeof messageId === 'string' && !messageId.startsWith(messageIdPrefix) ? messageId : undefined;
  const given = { app_id: appId, type, timestamp, user_id: userId, message_id: named };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  );
}

/**
 * A message's bytes for people and dead letters: its body if that is all there is, else kombu's envelope of the whole.
 * `address`: where it was sent to, if it lies elsewhere now.
 */
export function rawOf(message: AmqpAnyMessage, address: DeliveryInfo | null = null): Buffer {
  const decoded = fromMessage(message, false);
  if (!decoded.ok) return message.content;
  const { properties } = decoded.value;
  const deliveryInfo = address ?? properties.deliveryInfo;
  try {
    const deliveryTag = properties.correlationId ?? '';
    return Buffer.from(
      encodeEnvelope({ ...decoded.value, properties: { ...properties, deliveryInfo, deliveryTag } }),
    );
  } catch {
    return message.content; // a header that JSON cannot say
  }
}

export function countOf(message: AmqpAnyMessage, header: string): number {
  const value: unknown = message.properties.headers?.[header];
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0;
}

/**
 * By which a message is known again wherever it comes back, and no other is taken for it: our senders give each a name of its own, and each
 * copy that we make a mark of its own. Of others' messages the content tells.
 */
export function keyOf(queue: string, { content, properties }: AmqpAnyMessage): string {
  const { messageId, correlationId, headers = {} } = properties;
  const name =
    typeof messageId === 'string' && messageId.startsWith(messageIdPrefix)
      ? messageId
      : `${createHash('sha1').update(content).digest('base64')} ${messageId}`;
  const marks = [crashesHeader, deferralsHeader, returnedHeader, replayedHeader, untilHeader].map(
    (mark) => headers?.[mark] ?? '',
  );
  return [name, correlationId, headers?.retries, ...marks, queue].join(' ');
}

/** JSON as AMQP's field tables take it. */
function tableOf(value: Json): Record<string, unknown> {
  const table: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) if (member !== undefined) table[name] = fieldOf(member);
  return table;
}

function fieldOf(value: unknown): unknown {
  if (typeof value === 'number') return integerOf(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'bigint')
    return value >= -(2n ** 63n) && value < 2n ** 63n ? { '!': 'long', value: String(value) } : String(value);
  if (Array.isArray(value)) return value.map((each) => (each === undefined ? null : fieldOf(each)));
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value === 'object' && value !== null && '!' in value) return value; // its type was said before
  if (typeof value === 'object' && value !== null) return tableOf({ ...value });
  return value;
}

/**
 * amqplib writes an integer of two bytes as `s`, RabbitMQ's word for it, which is text to Python's client: it would read on from a
 * wrong place, and its worker end. A negative one of a byte, or of eight, has another sign there. As four bytes all read the same.
 */
function integerOf(value: number): unknown {
  if (!Number.isInteger(value) || (value >= 0 && value < 128)) return value;
  if (value >= -(2 ** 31) && value < 2 ** 31) return { '!': 'int', value };
  return value < 0 ? { '!': 'double', value } : value;
}

/** A field as a JSON-like value. */
function plainOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if ('!' in value && 'value' in value) {
    if (value['!'] === 'timestamp') return new Date(Number(value.value) * 1000);
    return plainOf(value.value);
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainOf(member)]));
}
