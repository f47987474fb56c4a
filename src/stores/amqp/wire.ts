// Conversion of our messages to AMQP's, and back.

import { createHash } from 'node:crypto';
import { ConfigError } from '../../errors.ts';
import { textOr } from '../../lib/narrow.ts';
import { encodeEnvelope } from '../../protocol/envelope.ts';
import type { Decoded, DeliveryInfo, Json, WireMessage } from '../../protocol/message.ts';
import type { AmqpAnyMessage, AmqpPublishOptions } from './client/link.ts';

/** Headers that we add to a message that came back. Tasks never see them. */
export const crashesHeader = 'x-umbel-crashes';
export const deferralsHeader = 'x-umbel-deferrals';
/** The worker that had it sent it again: there may be a second copy. */
export const returnedHeader = 'x-umbel-returned';
/** It was a dead letter that was put back: there may be a second copy. Its record may be of its earlier life. */
export const replayedHeader = 'x-umbel-replayed';
/** For a deferred message: not to be delivered before this time, milliseconds since 1970; apart from the task's own eta. */
export const untilHeader = 'x-umbel-until';
/** It was deferred until its time, and announced to monitors (see `Delivery.isAnnounced`). */
export const announcedHeader = 'x-umbel-announced';
/** The metadata of a dead letter, as JSON. */
export const deadHeader = 'x-umbel-dead';

/** The prefix of the message ids that our senders set. */
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

/** Options for amqplib's `publish`. `isCopy`: there may be a second copy. */
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
    // No `expiration`: RabbitMQ would drop the message silently, and the task would never be reported as expired.
    mandatory: true,
  };
}

/** The longest text of AMQP, in bytes. */
export const longestText = 255;

/** Whether it is text that AMQP takes as a property. */
function isShort(value: unknown): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) <= longestText;
}

/**
 * RabbitMQ closes the channel, which others use too, for a longer name.
 * @throws ConfigError for a name or an id that has more bytes than AMQP can tell
 */
export function checkShort(what: string, value: string): void {
  const bytes = Buffer.byteLength(value);
  if (bytes > longestText)
    throw new ConfigError(
      `${what} '${value.slice(0, 40)}…' has ${bytes} bytes, and RabbitMQ takes ${longestText}: choose a shorter one`,
    );
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Options for the same message, with other headers of ours. */
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
  // Without `userId`: RabbitMQ takes it only from a connection of that user, and closes the channel of any other.
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
 * Headers that RabbitMQ added in an earlier life; Celery removes them, too. With `x-death`, RabbitMQ takes a retry that waits in the same queue
 * as the message before for one that goes round in a circle, and drops it silently.
 */
function isBrokers(name: string): boolean {
  return name.startsWith('x-') && /^x-(?:death|delivery-count|first-death-|last-death-)/.test(name);
}

/** Decodes a message; refuses one that does not name its body's type. */
export function fromMessage(message: AmqpAnyMessage, redelivered: boolean): Decoded<WireMessage> {
  const { content, fields, properties } = message;
  if (typeof properties.contentType !== 'string') {
    const detail = 'the message has no content type: it is not from Celery or Umbel';
    return { ok: false, refusal: { reason: 'envelope', detail } };
  }
  const headers: Record<string, unknown> = {};
  const given = properties.headers ?? {};
  for (const name of Object.keys(given))
    if (!ours.has(name) && !isBrokers(name)) headers[name] = plainOf(given[name]);
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

/** Properties that a sender may set beside Celery's, by their names on the wire. Without the message id, which is ours. */
function othersOf({ appId, type, timestamp, userId, messageId }: AmqpAnyMessage['properties']): Json {
  const named =
    typeof messageId === 'string' && !messageId.startsWith(messageIdPrefix) ? messageId : undefined;
  const others: Record<string, unknown> = {};
  const given = { app_id: appId, type, timestamp, user_id: userId, message_id: named };
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && value !== null) others[name] = value;
  return others;
}

/**
 * A message's bytes for people and dead letters: the body if there is nothing else, else kombu's envelope of the message.
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
    return message.content; // a header that JSON cannot express
  }
}

export function countOf(message: AmqpAnyMessage, header: string): number {
  const value: unknown = message.properties.headers?.[header];
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0;
}

/**
 * The key by which a message is recognized wherever it comes back, and which no other message has: our senders give each message an id, and each
 * copy that we make has a random number. Messages of other programs are recognized by their content.
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

/** JSON as a field table of AMQP. */
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
  if (typeof value === 'object' && value !== null && '!' in value) return value; // its type was given before
  if (typeof value === 'object' && value !== null) return tableOf({ ...value });
  return value;
}

/**
 * amqplib writes an integer of two bytes as `s`, as RabbitMQ does; to Python's client `s` is text: it would read on at a wrong place, and its
 * worker would crash. A negative integer of one byte, or of eight, gets another sign there. Four bytes are read alike by all.
 */
function integerOf(value: number): unknown {
  if (!Number.isInteger(value) || (value >= 0 && value < 128)) return value;
  if (value >= -(2 ** 31) && value < 2 ** 31) return { '!': 'int', value };
  return value < 0 ? { '!': 'double', value } : value;
}

/** A field's value as JSON. */
function plainOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if ('!' in value && 'value' in value) {
    if (value['!'] === 'timestamp') return new Date(Number(value.value) * 1000);
    return plainOf(value.value);
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainOf(member)]));
}
