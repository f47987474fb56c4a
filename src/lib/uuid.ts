import { createHash, randomFillSync } from 'node:crypto';

const pool = new Uint8Array(16 * 256);
let used = pool.length;
let lastMs = 0;
let sequence = 0;

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * A UUID of version 7 (RFC 9562): time first, so that ids made one after another stay neighbours in a B-tree, which
 * is what keeps the embedded store fast. Ids of one process ascend strictly (its 12-bit counter, 6.2 method 1).
 */
export function uuid7(now: number = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + 8);
  used += 8;
  if (now > lastMs) {
    lastMs = now;
    sequence = ((random[0] ?? 0) << 3) | ((random[1] ?? 0) >> 5); // below half of 12 bits: room to count up
  } else if (++sequence > 0xfff) {
    lastMs++;
    sequence = 0;
  }
  const time = lastMs.toString(16).padStart(12, '0');
  const h = (byte: number): string => hex[byte & 0xff] ?? '00';
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${sequence.toString(16).padStart(3, '0')}-` +
    `${h(((random[0] ?? 0) & 0x3f) | 0x80)}${h(random[1] ?? 0)}-` +
    `${h(random[2] ?? 0)}${h(random[3] ?? 0)}${h(random[4] ?? 0)}${h(random[5] ?? 0)}${h(random[6] ?? 0)}${h(random[7] ?? 0)}`
  );
}

/** The time within a UUID of version 7, milliseconds since 1970; null: it is of another version, as Python's ids are, or none. */
export function timeOfId(id: string): number | null {
  if (!/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(id)) return null;
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/**
 * A UUID in the form of version 5, always the same for the same two texts. Unlike RFC 9562 takes any text as namespace, since
 * task ids may be any text.
 */
export function uuid5(namespace: string, name: string): string {
  const h = createHash('sha1').update(namespace).update('\0').update(name).digest('hex');
  const variant = ((Number.parseInt(h.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-5${h.slice(13, 16)}-${variant}${h.slice(18, 20)}-${h.slice(20, 32)}`;
}
