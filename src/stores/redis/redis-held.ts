// Messages that consumers of Redis hold: a look at them, and giving single ones back.
import heldLua from 'lua:./lua/held.lua';
import releaseHeldLua from 'lua:./lua/release-held.lua';
import { createHash } from 'node:crypto';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import { type HeldMessage, isOfTask } from '../held-messages.ts';
import { maxPeekedBytes } from '../transport.ts';
import type { RedisConnection } from './client/connection.ts';
import { changing, reading } from './client/repeat.ts';
import { consumersKey } from './keys.ts';
import { splitMetadata } from './redelivery-metadata.ts';
import { luaScript } from './scripts.ts';

interface Found extends HeldMessage {
  /** As it is stored; null: it was left out. */
  readonly stored: Buffer | null;
}

/** How many held messages are searched for one, and how many of their bytes. */
const maxSearched = 10_000;
const maxSearchedBytes = 64 * 1024 * 1024;

/** See `Transport.held`. */
export async function heldMessages(
  connection: RedisConnection,
  queue: string,
  { limit, bytes = maxPeekedBytes }: { readonly limit: number; readonly bytes?: number },
): Promise<readonly Found[]> {
  const { keyPrefix } = connection.settings;
  const reply = await reading(connection, (timeoutMs) =>
    connection.run(
      luaScript(heldLua),
      [consumersKey(keyPrefix)],
      [keyPrefix, queue, String(limit), String(bytes)],
      { buffers: true, timeoutMs },
    ),
  );
  const list: readonly unknown[] = Array.isArray(reply) ? reply : [];
  const found: Found[] = [];
  for (let at = 0; at < list.length; at += 3) {
    const [about, ends, text] = list.slice(at, at + 3);
    const stored = text instanceof Buffer ? text : null;
    found.push({
      consumer: nameIn(about),
      leaseEnds: new Date(Number(String(ends))),
      message: stored === null ? null : decodeEnvelope(splitMetadata(stored).raw),
      stored,
    });
  }
  return found;
}

/** See `Transport.releaseHeld`. */
export async function releaseHeld(
  connection: RedisConnection,
  queue: string,
  taskId: string,
): Promise<number> {
  const held = await heldMessages(connection, queue, { limit: maxSearched, bytes: maxSearchedBytes });
  const marks = held.flatMap(({ message, stored }) =>
    stored !== null && isOfTask(message, taskId) ? [createHash('sha1').update(stored).digest('hex')] : [],
  );
  if (marks.length === 0) return 0;
  const { keyPrefix } = connection.settings;
  const script = luaScript(releaseHeldLua);
  const change = connection.run(script, [consumersKey(keyPrefix)], [keyPrefix, queue, ...new Set(marks)]);
  return Number(await changing(connection, change));
}

/** The name of a consumer, of what it wrote about itself. */
function nameIn(about: unknown): string {
  try {
    const { name }: { readonly name?: unknown } = JSON.parse(String(about));
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}
