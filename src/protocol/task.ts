// A task message and its two wire forms: protocol v2 is written, v2 and v1 are read.
import { compress, decompress, standardCompressions } from './compression.ts';
import { type DecodeLimits, defaultLimits } from './limits.ts';
import type { Decoded, TaskMessage, WireMessage } from './message.ts';
import { isMap, orRefused, refuse } from './refusal.ts';
import { deserialize, type SerializerName, serializeCall } from './serializers.ts';
import { readTaskV1 } from './task-v1.ts';
import { readTaskV2, taskHeaders } from './task-v2.ts';

export interface EncodeTaskOptions {
  /** `json` (default), `yaml`, `msgpack`. */
  readonly serializer?: SerializerName;
  /** A name or a mime type: `zlib`, `brotli`, `zstd` (where the runtime has it). Default: none. */
  readonly compression?: string | null;
  /** The queue, as the routing key. Default `celery`. */
  readonly routingKey?: string;
  /** Default `''`: straight to the queue of that name. */
  readonly exchange?: string;
  /** The current time, milliseconds since 1970, from which the `expiration` of the message is computed. */
  readonly now?: number;
}

/**
 * A call as protocol v2, with every header that Python sends.
 * @throws NotSerializableError with the path of the value that cannot be sent, `$args[0].rows[3].id` or `$kwargs.rows[3].id`.
 * @throws ConfigError for a serializer or compression that is unknown, or missing in this runtime.
 */
export function encodeTask(message: TaskMessage, options: EncodeTaskOptions = {}): WireMessage {
  const serialized = serializeCall(options.serializer ?? 'json', message.args, message.kwargs, message.embed);
  const compressed = options.compression ? compress(serialized.body, options.compression) : undefined;
  return {
    body: compressed?.body ?? serialized.body,
    contentType: serialized.contentType,
    contentEncoding: serialized.contentEncoding,
    headers: taskHeaders(message, compressed?.mime),
    properties: {
      correlationId: message.correlationId,
      replyTo: message.replyTo,
      priority: message.priority,
      deliveryMode: message.persistent ? 2 : 1,
      expiration:
        message.expires === null
          ? null
          : String(Math.max(0, Math.trunc(message.expires.getTime() - (options.now ?? Date.now())))),
      deliveryTag: null,
      deliveryInfo: { exchange: options.exchange ?? '', routing_key: options.routingKey ?? 'celery' },
      other: {},
    },
  };
}

export interface DecodeTaskOptions {
  /** Serializers that are read, by name or mime type; Celery's `accept_content`. Default: `json` alone. */
  readonly accept?: readonly string[];
  /** Compressions that are read, by kombu's names. Default: `gzip` (which is zlib), `brotli`, `zstd`; not `bzip2`. */
  readonly acceptCompression?: readonly string[];
  /** Largest body in bytes, before and after decompression. Default 10 MiB. */
  readonly maxSize?: number;
}

/** Reads a task message of protocol v2, v1, or the mixed form. Never throws. */
export function decodeTask(wire: WireMessage, options: DecodeTaskOptions = {}): Decoded<TaskMessage> {
  return orRefused(() => readTask(wire, options));
}

function readTask(wire: WireMessage, options: DecodeTaskOptions): Decoded<TaskMessage> {
  const limits = limitsOf(options.maxSize);
  let { body } = wire;
  if (body.length > limits.maxSize) {
    return refuse('too-large', `the body has ${body.length} bytes; the limit is ${limits.maxSize}`);
  }
  const compression = wire.headers.compression ?? null;
  if (compression !== null) {
    const decompressed = decompress(
      body,
      compression,
      limits.maxSize,
      options.acceptCompression ?? standardCompressions,
    );
    if (!decompressed.ok) return decompressed;
    body = decompressed.value;
  }
  const payload = deserialize(
    body,
    wire.contentType,
    wire.contentEncoding,
    options.accept ?? jsonOnly,
    limits,
  );
  if (!payload.ok) return payload;
  const { task } = wire.headers;
  if (task !== undefined) return readTaskV2(wire, payload.value);
  if (isMap(payload.value) && payload.value.task !== undefined) return readTaskV1(wire, payload.value);
  return refuse(
    'not-a-task',
    "neither protocol v2 (a header 'task') nor v1 (a body that is a map with the key 'task')",
  );
}

function limitsOf(maxSize: number | undefined): DecodeLimits {
  if (maxSize === undefined || maxSize === defaultLimits.maxSize) return defaultLimits;
  if (maxSize !== lastLimits.maxSize) lastLimits = { ...defaultLimits, maxSize };
  return lastLimits;
}

/** The last limits, kept since a worker reads all its messages with the same. */
let lastLimits = defaultLimits;
const jsonOnly: readonly string[] = ['json'];
