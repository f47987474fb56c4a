// msgpack as Python writes it (use_bin_type). The library builds the values. We count them first, because a list of 5 bytes may claim to have
// four billion members.
import { createRequire } from 'node:module';
import type * as Library from '@msgpack/msgpack';
import { NotSerializableError } from '../errors.ts';
import { mapMembers, smallIntegers } from './integers.ts';
import { timestampAt } from './json.ts';
import type { DecodeLimits } from './limits.ts';
import type { Decoded } from './message.ts';
import { accept, refuse } from './refusal.ts';
import { normalize, type Path, type TypedValue } from './values.ts';

/** @throws NotSerializableError */
export function encodeMsgpack(value: unknown): Uint8Array {
  return new (library().Encoder)({ useBigInt64: true, maxDepth: 1_000 }).encode(
    exactIntegers(normalize(value, msgpackForm), '$'),
  );
}

/** Reads msgpack. Never throws. Integers beyond 2^53 become bigints. */
export function decodeMsgpack(bytes: Uint8Array, limits: DecodeLimits): Decoded<unknown> {
  const problem = checkStructure(bytes, limits);
  if (problem !== undefined) return problem;
  try {
    return accept(smallIntegers(new (library().Decoder)({ useBigInt64: true }).decode(bytes)));
  } catch {
    // A key that is not text or is `__proto__`, or an extension type: JSON could not have them either.
    return refuse(
      'body',
      'msgpack of a kind that a task cannot take (keys must be text; no extension types)',
    );
  }
}

/** Loaded at first use, since most programs never send msgpack. */
let loaded: typeof Library | undefined;

function library(): typeof Library {
  loaded ??= createRequire(import.meta.url)('@msgpack/msgpack') as typeof Library; // require is untyped
  return loaded;
}

/** msgpack has a type for bytes; the other typed values become text, as in the JSON of older kombu. */
function msgpackForm(value: TypedValue, path: Path): unknown {
  if (value instanceof Uint8Array) return value;
  return value instanceof Date ? timestampAt(value, path) : value.text;
}

/** With `useBigInt64` the library writes a large number as a float, so integers above 32 bits are passed as bigints. */
function exactIntegers(value: unknown, path: string): unknown {
  if (typeof value === 'number' && Number.isSafeInteger(value) && Math.abs(value) > 0x7fffffff)
    return BigInt(value);
  if (typeof value === 'bigint' && (value > 0xffff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n)) {
    throw new NotSerializableError(path, 'msgpack has no integers beyond 64 bits');
  }
  return mapMembers(value, (member) => exactIntegers(member, path));
}

/** Walks over the bytes without building values. Every claimed length must exist and be within the limits. */
function checkStructure(bytes: Uint8Array, limits: DecodeLimits): Decoded<never> | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pending: number[] = [1]; // how many values are still to come, per open container
  let at = 0;
  let values = 0;
  while (pending.length > 0) {
    const top = pending.length - 1;
    const left = pending[top] ?? 0;
    if (left === 0) {
      pending.pop();
      continue;
    }
    pending[top] = left - 1;
    if (at >= bytes.length) return truncated;
    const item = readHead(view, at);
    if (item === undefined)
      return refuse('body', 'msgpack with extension types, or a byte that means nothing');
    at += item.size;
    if (at > bytes.length) return truncated;
    if (item.members > 0) {
      values += item.members;
      if (values > limits.maxValues) return refuse('too-large', `more than ${limits.maxValues} values`);
      if (item.members > bytes.length - at) return truncated;
      pending.push(item.members);
      if (pending.length > limits.maxDepth + 1)
        return refuse('too-large', `nested deeper than ${limits.maxDepth} levels`);
    }
  }
  return at === bytes.length ? undefined : refuse('body', 'msgpack with bytes left over');
}

const truncated: Decoded<never> = refuse('body', 'msgpack that ends too early');

/** The size of a value's head and data in bytes, and the number of member values that follow. */
function readHead(view: DataView, at: number): { size: number; members: number } | undefined {
  const byte = view.getUint8(at);
  const length = (bytes: 1 | 2 | 4): number => {
    if (at + 1 + bytes > view.byteLength) return Number.MAX_SAFE_INTEGER / 4; // refused as truncated
    return bytes === 1
      ? view.getUint8(at + 1)
      : bytes === 2
        ? view.getUint16(at + 1)
        : view.getUint32(at + 1);
  };
  if (byte <= 0x7f || byte >= 0xe0) return { size: 1, members: 0 };
  if (byte <= 0x8f) return { size: 1, members: (byte & 0x0f) * 2 };
  if (byte <= 0x9f) return { size: 1, members: byte & 0x0f };
  if (byte <= 0xbf) return { size: 1 + (byte & 0x1f), members: 0 };
  switch (byte) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return { size: 1, members: 0 };
    case 0xc4:
    case 0xd9:
      return { size: 2 + length(1), members: 0 };
    case 0xc5:
    case 0xda:
      return { size: 3 + length(2), members: 0 };
    case 0xc6:
    case 0xdb:
      return { size: 5 + length(4), members: 0 };
    case 0xcc:
    case 0xd0:
      return { size: 2, members: 0 };
    case 0xcd:
    case 0xd1:
      return { size: 3, members: 0 };
    case 0xca:
    case 0xce:
    case 0xd2:
      return { size: 5, members: 0 };
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return { size: 9, members: 0 };
    case 0xdc:
      return { size: 3, members: length(2) };
    case 0xdd:
      return { size: 5, members: length(4) };
    case 0xde:
      return { size: 3, members: length(2) * 2 };
    case 0xdf:
      return { size: 5, members: length(4) * 2 };
    default:
      return undefined;
  }
}
