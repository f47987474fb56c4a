// What Redis holds of shared limits, to be shown.
import limitsReadLua from 'lua:./lua/limits-read.lua';
import { holderOf, type LimitReading, type LimitReport, overrideOf } from '../limits.ts';
import type { RedisConnection } from './client/connection.ts';
import { reading } from './client/repeat.ts';
import { luaScript } from './scripts.ts';

/** Lua writes an empty list as an empty map. */
type LuaList<Value> = readonly Value[] | Readonly<Record<string, never>>;

interface Reply {
  readonly uses: LuaList<{
    readonly key: string;
    readonly held: number;
    readonly tokens: LuaList<string>;
    readonly waiting: number;
    readonly waiters: LuaList<{ readonly id: string; readonly queue: string; readonly since: number }>;
    /** False: there is none. */
    readonly next: string | false;
    readonly reserved: number;
    /** A rate whose next start is earlier is not in use. */
    readonly idle: string;
  }>;
  readonly more: boolean;
  /** Names and values in turn. */
  readonly overrides: LuaList<string>;
}

export async function readRedisLimits(
  connection: RedisConnection,
  { counters, each }: LimitReading,
): Promise<LimitReport> {
  const { keyPrefix } = connection.settings;
  const answer = await reading(connection, (timeoutMs) =>
    connection.run(
      luaScript(limitsReadLua),
      [`${keyPrefix}umbel:limit:holders`],
      [keyPrefix, String(counters), String(each)],
      { timeoutMs },
    ),
  );
  const { uses, more, overrides }: Reply = JSON.parse(String(answer)); // our own script's
  const values = listOf(overrides);
  return {
    more,
    uses: listOf(uses)
      .map(({ key, held, tokens, waiting, waiters, next, reserved, idle }) => ({
        key,
        inUse: held,
        holders: listOf(tokens).map(holderOf),
        waiting,
        waiters: listOf(waiters).map(({ id, queue, since }) => ({ id, queue, sinceMs: since })),
        rate: next === false || Number(next) <= Number(idle) ? null : { nextMs: Number(next), reserved },
      }))
      .filter(({ inUse, waiting, rate }) => inUse + waiting > 0 || rate !== null),
    overrides: values.flatMap((text, index) => {
      const value = values[index + 1];
      if (index % 2 === 1 || value === undefined) return [];
      return [{ ...overrideOf(text), limit: value === '' ? null : Number(value) }];
    }),
  };
}

function listOf<Value>(list: LuaList<Value>): readonly Value[] {
  return Array.isArray(list) ? list : [];
}
