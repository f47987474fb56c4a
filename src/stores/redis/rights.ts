// The commands that a worker needs on Redis, and whether its user may run them (ACL). Checked once, at the worker's start, so that a missing
// right is reported by name.

import batchLua from 'lua:./lua/batch.lua';
import joinLua from 'lua:./lua/join.lua';
import leaveLua from 'lua:./lua/leave.lua';
import maintainLua from 'lua:./lua/maintain.lua';
import rightsLua from 'lua:./lua/rights.lua';
import sendLua from 'lua:./lua/send.lua';
import { BrokerUnavailable } from '../../errors.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import { isMissingRight } from './client/errors.ts';
import { luaScript } from './scripts.ts';

/** A harmless call of each command, on a key that holds text, so that commands for other types do nothing. `KEY`: that key; `DB`: the database. */
export const probes: Readonly<Record<string, readonly string[]>> = {
  SET: ['KEY', 'x', 'PX', '1000'],
  EXISTS: ['KEY'],
  GET: ['KEY'],
  HDEL: ['KEY', 'f'],
  HEXISTS: ['KEY', 'f'],
  HGET: ['KEY', 'f'],
  HKEYS: ['KEY'],
  HLEN: ['KEY'],
  HMGET: ['KEY', 'f'],
  HSET: ['KEY', 'f', 'v'],
  INCR: ['KEY'],
  LINDEX: ['KEY', '0'],
  LLEN: ['KEY'],
  LPUSH: ['KEY', 'v'],
  LRANGE: ['KEY', '0', '0'],
  LREM: ['KEY', '1', 'v'],
  LTRIM: ['KEY', '0', '-1'],
  PUBLISH: ['KEY', ''],
  RPUSH: ['KEY', 'v'],
  SADD: ['KEY', 'm'],
  SCAN: ['0', 'COUNT', '1'],
  SELECT: ['DB'],
  TIME: [],
  TYPE: ['KEY'],
  ZADD: ['KEY', '1', 'm'],
  ZRANGE: ['KEY', '0', '0'],
  ZRANGEBYSCORE: ['KEY', '0', '0'],
  ZREM: ['KEY', 'm'],
  ZREVRANGE: ['KEY', '0', '0'],
  ZSCORE: ['KEY', 'm'],
  UNLINK: ['KEY'],
  DEL: ['KEY'],
};

const scripts = [
  luaScript(joinLua),
  luaScript(leaveLua),
  luaScript(sendLua),
  luaScript(maintainLua),
  luaScript(batchLua),
];

/** The commands of a worker's scripts, and BLMOVE, which waits outside of them. */
export const workerCommands: readonly string[] = [
  ...new Set([
    'BLMOVE',
    ...scripts.flatMap(({ source }) =>
      [...source.matchAll(/redis\.p?call(?:\(|, )'([A-Z]+)'/g)].map(([, command = '']) => command),
    ),
  ]),
];

/**
 * The commands that a worker needs and this user may not run.
 * @throws BrokerUnavailable, also when the user may not run scripts
 */
export async function missingRights(connection: RedisConnection): Promise<readonly string[]> {
  const { keyPrefix, db } = connection.settings;
  const key = `${keyPrefix}umbel:rights`;
  const args = Object.entries(probes).map(([command, rest]) =>
    JSON.stringify([
      command,
      ...rest.map((each) => (each === 'KEY' ? key : each === 'DB' ? String(db) : each)),
    ]),
  );
  const missing: string[] = [];
  try {
    const reply = await connection.run(luaScript(rightsLua), [key], args);
    const cells: readonly unknown[] = Array.isArray(reply) ? reply : [];
    for (let at = 0; at < cells.length; at += 2)
      if (isOfCommand(String(cells[at + 1]))) missing.push(String(cells[at]));
  } catch (error) {
    if (error instanceof ReplyLost) throw new BrokerUnavailable(error.message, { cause: error });
    throw error;
  }
  // On a text it fails at once. On no key it would wait, and Redis ends waits only ten times a second.
  connection.call(['SET', key, 'x', 'PX', '1000']).catch(() => undefined);
  try {
    await connection.call(['BLMOVE', key, key, 'RIGHT', 'LEFT', '0.001']);
  } catch (error) {
    const message = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
    if (isOfCommand(message)) missing.push('BLMOVE');
  }
  return missing;
}

/** @throws BrokerUnavailable that names the commands */
export async function checkRights(connection: RedisConnection): Promise<void> {
  const missing = await missingRights(connection);
  if (missing.length > 0) throw new BrokerUnavailable(shownRights(connection, missing));
}

/** Why the server refuses, for people. Within a script Redis does not name the command of a missing right: then they are looked up. */
export async function namedRefusal(connection: RedisConnection, error: BrokerUnavailable): Promise<string> {
  if (!(error.cause instanceof Error) || !isMissingRight(error.cause.message)) return error.message;
  try {
    await checkRights(connection);
  } catch (named) {
    if (named instanceof BrokerUnavailable) return named.message;
  }
  return error.message;
}

/** The missing commands, and how to allow them, for people. */
export function shownRights(
  { settings: { shown, username } }: RedisConnection,
  missing: readonly string[],
): string {
  const user = username ?? 'default';
  const rights = missing.map((command) => `+${command.toLowerCase()}`).join(' ');
  return `the user '${user}' may not run ${missing.join(', ')} at ${shown}, which workers need: ACL SETUSER ${user} ${rights}`;
}

/** Whether a right for a command is missing, and not for a key or a channel, which may be other than ours. */
function isOfCommand(message: string): boolean {
  return isMissingRight(message) && !/\b(?:keys?|channels?)\b/.test(message);
}
