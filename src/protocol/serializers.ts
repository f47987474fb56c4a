// The serializers of a body: json, yaml, msgpack. pickle is refused by name, since reading it would run the sender's code.
import { ConfigError } from '../errors.ts';
import { suggest } from '../lib/suggest.ts';
import { decodeUtf8 } from './bytes.ts';
import { decodeJson, encodeJson } from './json.ts';
import type { DecodeLimits } from './limits.ts';
import type { Decoded, Embed, Json } from './message.ts';
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts';
import { accept, refuse } from './refusal.ts';
import { decodeYaml, encodeYaml } from './yaml.ts';

export type SerializerName = 'json' | 'yaml' | 'msgpack' | 'raw' | 'text';

/** Bytes, with their content type and encoding. */
interface Serialized {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
}

/**
 * The body of protocol 2.
 * @throws NotSerializableError, ConfigError
 */
export function serializeCall(
  name: SerializerName,
  args: readonly unknown[],
  kwargs: Json,
  embed: Embed,
): Serialized {
  if (name === 'json') {
    // Each part is encoded on its own, so that an error's path begins at `$args` or `$kwargs`.
    const next = isEmpty(embed) ? emptyEmbed : encodeEmbed(embed);
    const text = `[${encodeJson(args, '$args')},${encodeJson(kwargs, '$kwargs')},${next}]`;
    return { body: Buffer.from(text, 'utf8'), contentType: 'application/json', contentEncoding: 'utf-8' };
  }
  if (name === 'raw' || name === 'text')
    throw new ConfigError(`a task cannot be sent with the serializer '${name}'`);
  return serialize(name, [args, kwargs, embed]);
}

/** All members of a chord carry the same body, which is encoded once. */
function encodeEmbed(embed: Embed): string {
  const { callbacks, errbacks, chain, chord } = embed;
  if (chord === null || callbacks !== null || errbacks !== null || chain !== null)
    return encodeJson(embed, '$embed');
  let text = bodies.get(chord);
  if (text === undefined) {
    text = encodeJson(embed, '$embed');
    bodies.set(chord, text);
  }
  return text;
}

const bodies = new WeakMap<object, string>();

/**
 * Serializes any value.
 * @throws NotSerializableError, ConfigError
 */
export function serialize(name: SerializerName, value: unknown): Serialized {
  switch (name) {
    case 'json':
      return {
        body: Buffer.from(encodeJson(value), 'utf8'),
        contentType: 'application/json',
        contentEncoding: 'utf-8',
      };
    case 'yaml':
      return {
        body: Buffer.from(encodeYaml(value), 'utf8'),
        contentType: 'application/x-yaml',
        contentEncoding: 'utf-8',
      };
    case 'msgpack':
      return { body: encodeMsgpack(value), contentType: 'application/x-msgpack', contentEncoding: 'binary' };
    case 'raw':
      if (!(value instanceof Uint8Array))
        throw new ConfigError("the serializer 'raw' sends bytes (Uint8Array) only");
      return { body: value, contentType: 'application/data', contentEncoding: 'binary' };
    case 'text':
      if (typeof value !== 'string') throw new ConfigError("the serializer 'text' sends text only");
      return { body: Buffer.from(value, 'utf8'), contentType: 'text/plain', contentEncoding: 'utf-8' };
  }
}

/**
 * Reads a body. Never throws. Only the serializers in `accepted` (names or mime types) are read, besides raw bytes and plain text, which are
 * always read, as in Celery.
 */
export function deserialize(
  body: Uint8Array,
  contentType: string,
  contentEncoding: string,
  accepted: readonly string[],
  limits: DecodeLimits,
): Decoded<unknown> {
  const name = contentType === 'application/json' ? 'json' : serializerOf(contentType);
  if (name === undefined) return refuse('content-type', whyUnknown(contentType));
  if (name === 'raw') return accept(body);
  if (name !== 'text' && !accepted.includes(name) && !accepted.includes(contentType)) {
    return refuse(
      'content-type',
      `the serializer '${name}' is not accepted; add it to acceptContent (${accepted.join(', ')})`,
    );
  }
  if (name === 'msgpack') return decodeMsgpack(body, limits);
  if (!textEncodings.has(contentEncoding.toLowerCase())) {
    return refuse(
      'body',
      `the content-encoding '${contentEncoding.slice(0, 40)}' is not one that is read (utf-8)`,
    );
  }
  const text = decodeUtf8(body);
  if (text === undefined) return refuse('body', 'the body is not UTF-8 text');
  if (name === 'json') return decodeJson(text, limits);
  return name === 'yaml' ? decodeYaml(text, limits) : accept(text);
}

/**
 * The serializer of a name: ours, one of Celery's other names, or a mime type.
 * @throws ConfigError when the serializer is unknown, or cannot be supported (pickle).
 */
export function serializerNamed(name: string): SerializerName {
  const known = serializerOf(name);
  if (known !== undefined) return known;
  if (isPickle(name)) throw new ConfigError(`the serializer 'pickle' is not supported: ${whyNotPickle}`);
  const hint = suggest(name, aliases.keys());
  throw new ConfigError(
    `unknown serializer '${name}'${hint ? `; did you mean '${hint}'?` : ' (json, yaml, msgpack)'}`,
  );
}

/** The serializers that a worker reads, by its settings as it tells them (`inspect conf`), sorted; without the setting Celery's default. */
export function acceptedIn(conf: unknown): readonly string[] {
  const given: unknown =
    typeof conf === 'object' && conf !== null && 'accept_content' in conf ? conf.accept_content : null;
  const list: readonly unknown[] = Array.isArray(given) ? given : ['json'];
  const names = list.map(String).map((name) => serializerOf(name) ?? (isPickle(name) ? 'pickle' : name));
  return [...new Set(names)].sort();
}

const emptyEmbed = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}';

function isEmpty(embed: Embed): boolean {
  return embed.callbacks === null && embed.errbacks === null && embed.chain === null && embed.chord === null;
}

const aliases: ReadonlyMap<string, SerializerName> = new Map([
  ['json', 'json'],
  ['application/json', 'json'],
  ['yaml', 'yaml'],
  ['application/x-yaml', 'yaml'],
  ['msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['raw', 'raw'],
  ['bytes', 'raw'],
  ['application/data', 'raw'],
  ['text', 'text'],
  ['str', 'text'],
  ['text/plain', 'text'],
  ['application/text', 'text'],
]);

const textEncodings = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii', 'binary', '']);

function serializerOf(name: string): SerializerName | undefined {
  return aliases.get(name);
}

const whyNotPickle =
  "reading it runs code chosen by the sender; set task_serializer = 'json' on the Python side";

function isPickle(name: string): boolean {
  return name === 'pickle' || name === 'application/x-python-serialize';
}

function whyUnknown(contentType: string): string {
  if (contentType === '') return 'the message has no content-type';
  if (isPickle(contentType)) return `the body is a pickle: ${whyNotPickle}`;
  return `the content-type '${contentType.slice(0, 80)}' is unknown`;
}
