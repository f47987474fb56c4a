// Real Python Celery as a peer: one process answers a whole batch.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../src/protocol/values.ts';

const python = '/usr/bin/python3'; // Debian's, which has Debian's Celery; another Python of that name may come first in PATH
const peer = fileURLToPath(new URL('../fixtures/python/peer.py', import.meta.url));

/** Why the tests with Python cannot run here; undefined when they can. In CI they always must. */
export const noPython: string | undefined = missing();

export type Answer<T> = { readonly ok: T } | { readonly error: string };

export function askPython<T>(requests: readonly object[]): Answer<T>[] {
  const input = `${requests.map((request) => JSON.stringify(request)).join('\n')}\n`;
  const run = spawnSync(python, [peer], { input, encoding: 'utf8', maxBuffer: 512 * 1024 * 1024 });
  if (run.status !== 0) throw new Error(`the Python peer failed: ${run.stderr}`);
  return run.stdout
    .trimEnd()
    .split('\n')
    .map((line): Answer<T> => JSON.parse(line));
}

/** A value as the peer describes it: see canonical() there. */
export function canonical(value: unknown): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value ?? null;
  if (typeof value === 'bigint') return { int: String(value) };
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return { int: String(value === 0 ? 0 : value) };
    const bits = Buffer.alloc(8);
    bits.writeDoubleBE(value);
    return { float: Number.isNaN(value) ? 'nan' : bits.toString('hex') };
  }
  if (typeof value === 'string') return { text: value };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { time: value.toISOString().replace('Z', '+00:00') };
  if (value instanceof Decimal) return { other: 'Decimal', text: value.text };
  if (value instanceof Uuid) return { other: 'UUID', text: value.text };
  if (value instanceof PlainDate) return { other: 'date', text: value.text };
  if (value instanceof PlainTime) return { other: 'time', text: value.text };
  if (Array.isArray(value)) return { list: value.map(canonical) };
  return { map: Object.entries(value).map(([key, member]) => [key, canonical(member)]) };
}

/** Maps without the order of their keys: JavaScript puts keys that look like numbers first. */
export function unordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unordered);
  if (typeof value !== 'object' || value === null) return value;
  if ('map' in value && Array.isArray(value.map)) {
    const members = value.map.map((pair: [string, unknown]): [string, unknown] => [
      pair[0],
      unordered(pair[1]),
    ]);
    return { map: members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) };
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, unordered(member)]));
}

function missing(): string | undefined {
  const run = spawnSync(python, ['-c', 'import celery, kombu, msgpack, yaml'], { encoding: 'utf8' });
  if (run.status === 0) return undefined;
  const why = `no Python Celery at ${python} (apt-get install python3-celery python3-msgpack python3-yaml)`;
  if (process.env.CI) throw new Error(why);
  return why;
}
