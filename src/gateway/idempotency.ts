// A repeated request is one call. The call's id is derived from the client's key. The record that a call was sent (see Publication.write)
// makes a second message of this id harmless: in any process, after any crash.
import { createHash } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { ResultBackend } from '../stores/backend.ts';

/** The parts of a request that its key stands for. */
interface RequestPrint {
  readonly task: string;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
}

/** A digest that differs if any part differs. The order of the query's parameters does not count. */
export function fingerprint({ task, query, body }: RequestPrint): string {
  const parameters = [...query].map((pair) => JSON.stringify(pair)).sort();
  return createHash('sha256')
    .update(JSON.stringify([task, parameters]))
    .update(body)
    .digest('hex');
}

/**
 * The `Idempotency-Key` of a request.
 * @throws Problem 400 for a value that is no key
 */
export function idempotencyKeyOf(headers: Headers): string | null {
  const key = headers.get('idempotency-key');
  if (key === null || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new Problem(400, 'the Idempotency-Key must be 1 to 255 printable ASCII characters');
}

/** The id of the call that a key stands for: a UUID of version 8 (RFC 9562), always the same for the same caller, task and key. */
export function derivedId(caller: string, task: string, key: string): string {
  const bytes = digest('umbel idempotency key', caller, task, key).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80; // version 8
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80; // variant
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/**
 * Claims the id for the request with this fingerprint. The first claim wins, for as long as results
 * are kept: it is a record of SUCCESS, which a backend never overwrites. It is made before the message is sent; after a
 * crash in between, the repeated request finds its own claim.
 * @returns false: the id belongs to another request; with `onlyIfMade` also if there is no claim
 */
export async function claim(
  backend: ResultBackend,
  id: string,
  print: string,
  { onlyIfMade }: { readonly onlyIfMade: boolean },
): Promise<boolean> {
  const taskId = claimId(id);
  const earlier = await backend.get(taskId);
  if (earlier !== undefined) return earlier.result === print;
  if (onlyIfMade) return false;
  await backend.put({
    taskId,
    status: 'SUCCESS',
    result: print,
    traceback: null,
    children: [],
    dateDone: new Date(),
  });
  return (await backend.get(taskId))?.result === print;
}

/** Whether an id is a claim's, and not a task's. */
export function isClaim(id: string): boolean {
  return id.startsWith(claimPrefix);
}

const claimPrefix = 'umbel-request-';

function claimId(id: string): string {
  return `${claimPrefix}${digest('umbel claim', id).toString('hex')}`;
}

function digest(...parts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}
