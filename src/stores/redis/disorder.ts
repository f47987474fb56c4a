// Finds keys of ours that are not as they should be, and shows them to people. Changes nothing.
import type { RedisConnection } from './client/connection.ts';
import { bindingKey, consumersKey, evictedKey, listKey, queuesKey } from './keys.ts';

interface WrongKey {
  readonly key: string;
  /** The type it has, and the type it should have, in Redis' words: `string`, `zset`. */
  readonly is: string;
  readonly expected: string;
}

interface Disorder {
  readonly wrong: readonly WrongKey[];
  /** Keys with claims of owners that are in neither list of consumers. */
  readonly orphans: readonly string[];
}

/** How many keys are scanned at most. */
const maxScanned = 1_000_000;
const atOnce = 5000;

export async function findDisorder(
  connection: RedisConnection,
  queues: readonly string[],
  options: { readonly timeoutMs: number },
): Promise<Disorder> {
  const { keyPrefix: prefix, prioritySteps } = connection.settings;
  const ask = (...command: string[]): Promise<unknown> => connection.call(command, options);
  const own = (name: string): string => `${prefix}umbel:${name}`;
  const owned = await ownedKeys(ask, prefix);
  const known = await membersOf(ask, queuesKey(prefix));
  const all = [...new Set([...queues, ...known])];
  const expected = new Map<string, string>([
    [consumersKey(prefix), 'zset'],
    [evictedKey(prefix), 'zset'],
    [own('due'), 'zset'],
    [own('version'), 'string'],
    [own('dead'), 'zset'],
    [own('revocations'), 'zset'],
    [own('beat'), 'hash'],
    [queuesKey(prefix), 'set'],
    ...all.flatMap((queue): [string, string][] => [
      ...prioritySteps.map((step): [string, string] => [listKey(prefix, queue, step), 'list']),
      [own(`schedule:${queue}`), 'zset'],
      [own(`quarantine:${queue}`), 'list'],
      [own(`dead:of:${queue}`), 'zset'],
      [bindingKey(prefix, queue), 'set'],
    ]),
    ...owned.map(({ key, kind }): [string, string] => [key, kind === 'taken' ? 'list' : 'hash']),
  ]);
  const types = await Promise.all([...expected.keys()].map((key) => ask('TYPE', key)));
  const wrong = [...expected].flatMap(([key, type], at) => {
    const is = String(types[at]);
    return is === type || is === 'none' ? [] : [{ key, is, expected: type }];
  });
  const broken = new Set(wrong.map(({ key }) => key));
  const isKnown = async (owner: string): Promise<boolean> => {
    for (const list of [consumersKey(prefix), evictedKey(prefix)])
      if (!broken.has(list) && (await ask('ZSCORE', list, owner)) !== null) return true;
    return false;
  };
  const orphans: string[] = [];
  for (const { key, kind, owner } of owned)
    if (kind !== 'consumer' && !broken.has(key) && !(await isKnown(owner))) orphans.push(key);
  return { wrong, orphans };
}

interface OwnedKey {
  readonly key: string;
  readonly kind: string;
  readonly owner: string;
}

/** The keys that each consumer has. */
async function ownedKeys(
  ask: (...command: string[]) => Promise<unknown>,
  prefix: string,
): Promise<OwnedKey[]> {
  const owned: OwnedKey[] = [];
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}umbel:[ct][loa]*:*`;
  let cursor = '0';
  for (let looked = 0; looked < maxScanned; looked += atOnce) {
    const reply = await ask('SCAN', cursor, 'MATCH', pattern, 'COUNT', String(atOnce));
    if (!Array.isArray(reply)) break;
    const keys: readonly unknown[] = Array.isArray(reply[1]) ? reply[1] : [];
    for (const key of keys) {
      const [, kind, owner] =
        /^umbel:(claimed|taken|consumer):([^:]+)/.exec(String(key).slice(prefix.length)) ?? [];
      if (kind !== undefined && owner !== undefined) owned.push({ key: String(key), kind, owner });
    }
    cursor = String(reply[0]);
    if (cursor === '0') break;
  }
  return owned;
}

async function membersOf(ask: (...command: string[]) => Promise<unknown>, key: string): Promise<string[]> {
  const members = await ask('SMEMBERS', key).catch(() => []); // of a wrong type: reported below
  return members instanceof Set || Array.isArray(members) ? [...members].map(String) : [];
}
