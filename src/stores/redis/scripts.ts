// The scripts of lua/: one file for each operation, with its keys, arguments and reply at the top.
import includes from 'lua:./lua/include';
import { maxCounted } from '../limit-rules.ts';
import { forgetMs, maxReservations, renotifyMs, reservedMs } from '../limits.ts';
import { quarantineAfter } from '../quarantine.ts';
import { storeVersion } from '../store-version.ts';
import { type RedisScript, redisScript } from './client/script.ts';
import { sentElsewhereKey } from './record-write.ts';

/** Tags for messages of blocking reads, which may be more than a claim asks for. */
export const spareTags = 1000;

/** Constants that scripts and TypeScript share: `__name__` in a script. */
const constants: Readonly<Record<string, string | number>> = {
  forgetMs,
  maxCounted,
  maxReservations,
  rateKeptMs: 2 * forgetMs,
  reservedMs,
  sentElsewhere: sentElsewhereKey(''),
  spareTags,
  storeVersion,
  quarantineAfter,
  renotifyMs,
};

const loaded = new Map<string, RedisScript>();

/** A file of lua/. Each module imports those that it runs, so that a program has only what it needs. */
export interface LuaFile {
  readonly name: string;
  readonly text: string;
}

/** The script of a file in lua/. */
export function luaScript({ name, text }: LuaFile): RedisScript {
  const before = loaded.get(name);
  if (before !== undefined) return before;
  const script = redisScript(name, luaSource(text));
  loaded.set(name, script);
  return script;
}

/**
 * The text with its includes (`--- @include name`, a line of its own) and constants.
 * @throws TypeError for an unknown include or constant
 */
export function luaSource(text: string): string {
  return text
    .replaceAll(/^--- @include (.*)\n/gm, (_, name: string) => luaSource(known(includes, name)))
    .replaceAll(/__(\w+?)__/g, (_, name: string) => String(known(constants, name)));
}

function known<T>(table: Readonly<Record<string, T>>, name: string): T {
  const value = table[name];
  if (value === undefined) throw new TypeError(`a script of Redis names '${name}', which does not exist`);
  return value;
}
