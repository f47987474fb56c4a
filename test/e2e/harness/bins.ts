// Where a stranger throws bytes at a queue, past all of Umbel's code, and looks what became of them.
import { createClient, RESP_TYPES } from '@redis/client';
import { connect, type Options } from 'amqplib';
import type { RecordedResult } from './checkers.ts';
import type { Place } from './places.ts';
import { type Buried, type StoreFile, toResult } from './store.ts';

/** A message as it is to lie in the queue: what must be found again, byte for byte, if it is buried. */
export interface Thrown {
  readonly bytes: Uint8Array;
  readonly properties?: Options.Publish;
}

export interface Bin extends AsyncDisposable {
  /** A message of the corpus as it can lie in this place. Null: it cannot. */
  form(raw: Uint8Array): Thrown | null;
  insert(messages: readonly Thrown[]): Promise<void>;
  dead(): Promise<Buried[]>;
  results(): Promise<Map<string, RecordedResult>>;
  /** How many wait, are scheduled or held. */
  messages(): Promise<number>;
}

const queue = 'celery';

export function binOfFile(file: StoreFile): Bin {
  return {
    form: (raw) => ({ bytes: raw }),
    insert: async (messages) =>
      file.insert(
        queue,
        messages.map(({ bytes }) => bytes),
      ),
    dead: async () => file.dead(),
    results: async () => file.results(),
    messages: async () => file.messages(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

export async function binOfRedis(place: Place): Promise<Bin> {
  const client = createClient({ url: place.broker });
  await client.connect();
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const view = await place.look();
  return {
    form: (raw) => ({ bytes: raw }),
    insert: async (messages) => {
      for (const each of messages) await client.sendCommand(['LPUSH', queue, Buffer.from(each.bytes)]);
    },
    dead: async () => {
      const all: Buried[] = [];
      for (const number of await client.zRange('umbel:dead', 0, -1)) {
        const [reason, detail, raw] = await bytes.hmGet(`umbel:dead:${number}`, ['reason', 'detail', 'raw']);
        all.push({
          reason: String(reason),
          detail: String(detail),
          raw: Buffer.isBuffer(raw) ? raw : Buffer.from(''),
        });
      }
      return all;
    },
    results: () => recorded(place.backend),
    messages: () => view.messages(),
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await view[Symbol.asyncDispose]();
    },
  };
}

export async function binOfRabbit(place: Place): Promise<Bin> {
  const connection = await connect(place.broker);
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  const view = await place.look();
  return {
    form: asAmqp,
    insert: async (messages) => {
      for (const { bytes, properties } of messages)
        channel.publish('', queue, Buffer.from(bytes), { deliveryMode: 2, ...properties });
      await channel.waitForConfirms();
    },
    dead: async () => {
      const reader = await connection.createChannel();
      reader.on('error', () => undefined);
      await reader.assertQueue('umbel.dead', { durable: true });
      const all: Buried[] = [];
      for (let next = await reader.get('umbel.dead'); next !== false; next = await reader.get('umbel.dead')) {
        const about = JSON.parse(String(next.properties.headers?.['x-umbel-dead'] ?? '{}'));
        all.push({ reason: String(about.reason), detail: String(about.detail), raw: next.content });
      }
      await reader.close(); // puts everything back
      return all;
    },
    results: () => recorded(place.backend),
    messages: () => view.messages(),
    [Symbol.asyncDispose]: async () => {
      await connection.close();
      await view[Symbol.asyncDispose]();
    },
  };
}

/** kombu's envelope taken apart into what AMQP carries; what is no envelope, and what AMQP has no form for, goes as it is. */
function asAmqp(raw: Uint8Array): Thrown | null {
  const bare = { bytes: raw, properties: { contentType: 'application/json', contentEncoding: 'utf-8' } };
  if (raw.length > 4_000_000) return null;
  let envelope: unknown;
  try {
    envelope = JSON.parse(Buffer.from(raw).toString());
  } catch {
    return bare;
  }
  if (typeof envelope !== 'object' || envelope === null) return bare;
  const { body, headers, properties } = envelope as Record<string, unknown>;
  const about = envelope as Record<string, unknown>;
  if (typeof body !== 'string' || typeof headers !== 'object' || headers === null || Array.isArray(headers))
    return bare;
  const given =
    typeof properties === 'object' && properties !== null ? (properties as Record<string, unknown>) : {};
  const bytes = given.body_encoding === 'base64' ? Buffer.from(body, 'base64') : Buffer.from(body);
  const form: Options.Publish = {
    headers,
    ...(isShort(about['content-type']) && { contentType: about['content-type'] }),
    ...(isShort(about['content-encoding']) && { contentEncoding: about['content-encoding'] }),
    ...(isShort(given.correlation_id) && { correlationId: given.correlation_id }),
    ...(isShort(given.reply_to) && { replyTo: given.reply_to }),
  };
  // A frame of headers has its limits, and not every value a form.
  const fits = isPlain(headers, 0) && JSON.stringify(headers).length < 60_000;
  return fits ? { bytes, properties: form } : bare;
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) < 256;
}

function isPlain(value: unknown, depth: number): boolean {
  if (depth > 20) return false;
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  return Object.entries(value as object).every(
    ([key, each]) => Buffer.byteLength(key) < 128 && key !== '!' && isPlain(each, depth + 1),
  );
}

async function recorded(url: string): Promise<Map<string, RecordedResult>> {
  const client = createClient({ url });
  await client.connect();
  try {
    const all = new Map<string, RecordedResult>();
    for (const key of await client.keys('celery-task-meta-*')) {
      const text = await client.get(key);
      if (text !== null) all.set(key.slice('celery-task-meta-'.length), toResult(text));
    }
    return all;
  } finally {
    client.destroy();
  }
}
