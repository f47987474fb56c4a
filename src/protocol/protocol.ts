// The entry point `umbel/protocol` for authors of tools and drivers: reads and writes whole messages and result records.
import { decodeEnvelope, type EnvelopeOptions, encodeEnvelope } from './envelope.ts';
import { defaultLimits } from './limits.ts';
import type { Decoded, TaskMessage, WireMessage } from './message.ts';
import { decodeResult, encodeResult } from './result-codec.ts';
import type { ResultRecord } from './result-meta.ts';
import { type DecodeTaskOptions, decodeTask, type EncodeTaskOptions, encodeTask } from './task.ts';

/**
 * A task message as one text: Celery's protocol v2 in kombu's JSON envelope, as it is pushed to a Redis list.
 * @throws NotSerializableError with the path of the value that cannot be sent.
 */
export function writeTask(message: TaskMessage, options: EncodeTaskOptions & EnvelopeOptions = {}): string {
  return encodeEnvelope(encodeTask(message, options), options);
}

/** Reads a task message (protocol v2 or v1) in its envelope. Never throws: it returns a message or a refusal for any bytes. */
export function readTask(raw: Uint8Array, options: DecodeTaskOptions = {}): Decoded<TaskMessage> {
  const wire = decodeEnvelope(raw, { ...defaultLimits, maxSize: options.maxSize ?? defaultLimits.maxSize });
  return wire.ok ? decodeTask(wire.value, options) : wire;
}

/**
 * A message of a transport as one text, in kombu's JSON envelope, for drivers whose store keeps bytes.
 * @throws NotSerializableError with the path of the value that cannot be sent.
 */
export function writeMessage(message: WireMessage): string {
  return encodeEnvelope(message, { bodyEncoding: 'utf-8' });
}

/** Reads a message of a transport. Never throws: it returns a message or a refusal for any bytes. */
export function readMessage(raw: Uint8Array): Decoded<WireMessage> {
  return decodeEnvelope(raw);
}

/**
 * A result record as Celery's meta map.
 * @throws NotSerializableError with the path of the value that cannot be stored.
 */
export function writeResult(record: ResultRecord): string {
  return encodeResult(record);
}

/** Reads a result record. Never throws: it returns a record or a refusal for any text. */
export function readResult(text: string): Decoded<ResultRecord> {
  return decodeResult(text);
}
