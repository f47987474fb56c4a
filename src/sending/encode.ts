// Encodes a call's message.
import { PayloadTooLargeError } from '../errors.ts';
import { compress } from '../protocol/compression.ts';
import { encodeJson } from '../protocol/json.ts';
import type { TaskMessage, WireMessage } from '../protocol/message.ts';
import { encodeTask } from '../protocol/task.ts';
import { noKwargs } from './arguments.ts';
import type { Encoding, PreparedCall } from './prepare.ts';
import type { SendingApp } from './sending-app.ts';

/** A call and its message. */
export interface EncodedCall {
  readonly prepared: PreparedCall;
  readonly wire: WireMessage;
}

/**
 * Encodes a call.
 * @throws NotSerializableError with the path, PayloadTooLargeError above `maxMessageSize`
 */
export function encodeCall(app: SendingApp, message: TaskMessage, encoding: Encoding): WireMessage {
  const { serializer, exchange, routingKey } = encoding;
  const wire = encodeTask(message, { serializer, exchange, routingKey });
  let size = wire.body.length;
  // Encoded here only to find out, before anything is sent, that the headers can be.
  if (message.headers !== noKwargs) size += encodeJson(message.headers, '$headers').length;
  const { maxMessageSize } = app.config;
  // Before compression: the reader's limit applies to the decompressed size.
  if (size > maxMessageSize)
    throw new PayloadTooLargeError(`the call of '${message.task}'`, size, maxMessageSize);
  if (encoding.compression === null) return wire;
  const { body, mime } = compress(wire.body, encoding.compression);
  return { ...wire, body, headers: { ...wire.headers, compression: mime } };
}
