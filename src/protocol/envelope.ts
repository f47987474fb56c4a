// kombu's JSON envelope: one message as one text, as it is stored in a Redis list and in the embedded store.

import { randomUUID } from 'node:crypto';
import { textOr } from '../lib/narrow.ts';
import { asBuffer, decodeBase64, decodeUtf8 } from './bytes.ts';
import { decodeJson, encodeJson } from './json.ts';
import { type DecodeLimits, defaultLimits } from './limits.ts';
import type { Decoded, WireMessage } from './message.ts';
import { knownProperties, readProperties } from './properties.ts';
import { accept, isMap, kindOf, orRefused, refuse } from './refusal.ts';

export interface EnvelopeOptions {
  /**
   * The encoding of the body: `base64` like Celery (default), or `utf-8`, which leaves the text as it is. That is smaller and faster, and
   * Python reads it as well. A body that is not text is always written as base64.
   */
  readonly bodyEncoding?: 'base64' | 'utf-8';
}

/**
 * Writes the envelope with all that Python's readers need: `delivery_info` with both keys, and a new `delivery_tag` if the message has none.
 * @throws NotSerializableError for headers that have no form on the wire.
 */
export function encodeEnvelope(message: WireMessage, options: EnvelopeOptions = {}): string {
  const [body, rest] = envelopeParts(message, options);
  return `{"body": ${body}${rest}`;
}

/**
 * The envelope as bytes, with a base64 body like Celery's. It avoids the copies of a big text.
 * @internal
 */
export function encodeEnvelopeBytes(message: WireMessage): Buffer {
  const [body, rest] = envelopeParts(message, {});
  const begin = '{"body": ';
  const bytes = Buffer.allocUnsafe(begin.length + body.length + Buffer.byteLength(rest));
  bytes.write(begin, 0, 'latin1');
  bytes.write(body, begin.length, 'latin1'); // base64
  bytes.write(rest, begin.length + body.length);
  return bytes;
}

function envelopeParts(
  message: WireMessage,
  options: EnvelopeOptions,
): readonly [body: string, rest: string] {
  const text =
    options.bodyEncoding === 'utf-8' && message.headers.compression === undefined
      ? decodeUtf8(message.body)
      : undefined;
  const body = text === undefined ? `"${asBuffer(message.body).toString('base64')}"` : JSON.stringify(text);
  const { properties } = message;
  const info = properties.deliveryInfo;
  // For plain text the property is left out: kombu knows only base64, and a worker crashes on other encodings.
  const rest =
    `, "content-encoding": ${JSON.stringify(message.contentEncoding)}, ` +
    `"content-type": ${JSON.stringify(message.contentType)}, "headers": ${encodeJson(message.headers, '$headers')}, ` +
    `"properties": {"correlation_id": ${JSON.stringify(properties.correlationId)}, ` +
    `"reply_to": ${JSON.stringify(properties.replyTo)}, ` +
    (properties.expiration === null ? '' : `"expiration": ${JSON.stringify(properties.expiration)}, `) +
    `"delivery_mode": ${properties.deliveryMode}, ` +
    `"delivery_info": {"exchange": ${JSON.stringify(info.exchange)}, "routing_key": ${JSON.stringify(info.routing_key)}` +
    `${info.redelivered ? ', "redelivered": true' : ''}}, "priority": ${properties.priority}, ` +
    (text === undefined ? '"body_encoding": "base64", ' : '') +
    `"delivery_tag": ${JSON.stringify(properties.deliveryTag ?? randomUUID())}${otherProperties(properties.other)}}}`;
  return [body, rest];
}

/**
 * Reads an envelope. Never throws. Missing properties, delivery tags or delivery info, on which a Python worker crashes, are accepted. An
 * envelope that is not a JSON map, or whose body is not text, is refused.
 */
export function decodeEnvelope(
  raw: Uint8Array | string,
  limits: DecodeLimits = defaultLimits,
): Decoded<WireMessage> {
  // Base64 and escapes in nested JSON make an envelope larger than its content.
  const maxSize = limits.maxSize * 2 + 65_536;
  if (raw.length > maxSize)
    return refuse('too-large', `the message has ${raw.length} bytes; the limit is ${maxSize}`);
  return orRefused(() => readEnvelope(raw, { ...limits, maxSize }));
}

function readEnvelope(raw: Uint8Array | string, limits: DecodeLimits): Decoded<WireMessage> {
  const text = typeof raw === 'string' ? raw : decodeUtf8(raw);
  if (text === undefined) return refuse('envelope', 'the message is not UTF-8 text');
  const decoded = decodeJson(text, limits);
  if (!decoded.ok) {
    const { reason, detail } = decoded.refusal;
    return refuse(reason === 'body' ? 'envelope' : reason, `the message is not an envelope: ${detail}`);
  }
  const envelope = decoded.value;
  if (!isMap(envelope)) return refuse('envelope', `the message is ${kindOf(envelope)}, not kombu's envelope`);
  const { body: bodyText } = envelope;
  if (typeof bodyText !== 'string')
    return refuse('envelope', `the envelope's body is ${kindOf(bodyText)}, not text`);
  const headers = envelope.headers ?? {};
  if (!isMap(headers)) return refuse('envelope', `the envelope's headers are ${kindOf(headers)}, not a map`);
  const properties = envelope.properties ?? {};
  if (!isMap(properties))
    return refuse('envelope', `the envelope's properties are ${kindOf(properties)}, not a map`);
  const body = decodeBody(bodyText, properties.body_encoding);
  if (body === undefined) {
    return refuse(
      'envelope',
      "the envelope's body is not in its body_encoding, or that is neither base64 nor utf-8",
    );
  }
  return accept({
    body,
    contentType: textOr(envelope['content-type'], ''),
    contentEncoding: textOr(envelope['content-encoding'], 'utf-8'),
    headers,
    properties: readProperties(properties),
  });
}

function decodeBody(text: string, encoding: unknown): Uint8Array | undefined {
  if (encoding === 'base64') return decodeBase64(text);
  if (encoding === undefined || encoding === null || encoding === 'utf-8') return Buffer.from(text, 'utf8');
  return undefined;
}

function otherProperties(other: Readonly<Record<string, unknown>>): string {
  let text = '';
  for (const key in other) {
    if (knownProperties.has(key) || other[key] === undefined) continue;
    text += `, ${JSON.stringify(key)}: ${encodeJson(other[key], `$properties.${key}`)}`;
  }
  return text;
}
