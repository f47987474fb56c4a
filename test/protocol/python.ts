// Real Python Celery as a peer: one process answers all that a test file asks.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../src/protocol/values.ts';

/** Debian's, which has Debian's Celery; another Python of that name may come first in PATH. */
export const python = '/usr/bin/python3';
const program = fileURLToPath(new URL('../fixtures/python/peer.py', import.meta.url));

/** Why the tests with Python cannot run here; undefined when they can. In CI they always must. */
export const noPython: string | undefined = missing();

export type Answer<T> = { readonly ok: T } | { readonly error: string };

/** A running peer. It is asked one batch at a time. */
export class Peer implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaints = '';

  constructor() {
    this.#process = spawn(python, ['-u', program]);
    this.#process.stderr.on('data', (text) => {
      this.#complaints += text;
    });
    this.#process.stdin.on('error', () => undefined); // it has ended: so has what it says
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async ask<T>(requests: readonly object[]): Promise<Answer<T>[]> {
    for (const request of requests) this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    const answers: Answer<T>[] = [];
    while (answers.length < requests.length) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error(`the Python peer failed: ${this.#complaints}`);
      answers.push(JSON.parse(value));
    }
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }
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
  // Found, not imported: that takes twenty times as long, in each test file.
  const find =
    'import importlib.util as u; assert all(map(u.find_spec, ["celery", "kombu", "msgpack", "yaml"]))';
  if (spawnSync(python, ['-c', find]).status === 0) return undefined;
  const why = `no Python Celery at ${python} (apt-get install python3-celery python3-msgpack python3-yaml)`;
  if (process.env.CI) throw new Error(why);
  return why;
}
