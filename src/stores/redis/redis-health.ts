// What a Redis server tells about itself: its memory, its connections, and what it does when it is full.
import { BrokerUnavailable } from '../../errors.ts';
import { figure, fullness, type HealthFigure, unknownFigure } from '../store-health.ts';
import type { RedisConnection } from './client/connection.ts';
import { isMissingRight } from './client/errors.ts';
import { reading } from './client/repeat.ts';

/** Lines of INFO: `used_memory` -> `1030000`. */
type RedisInfo = ReadonlyMap<string, string>;

/** Null: the user of the connection may not run INFO. @throws BrokerUnavailable */
export async function redisInfo(connection: RedisConnection): Promise<RedisInfo | null> {
  try {
    const text = await reading(connection, (timeoutMs) => connection.call(['INFO'], { timeoutMs }));
    return infoOf(String(text));
  } catch (error) {
    if (
      error instanceof BrokerUnavailable &&
      error.cause instanceof Error &&
      isMissingRight(error.cause.message)
    )
      return null;
    throw error;
  }
}

/** @throws BrokerUnavailable */
export async function redisHealth(connection: RedisConnection): Promise<readonly HealthFigure[]> {
  const info = await redisInfo(connection);
  if (info !== null) return figuresOf(info);
  const why = `the user may not run INFO: ACL SETUSER ${connection.settings.username ?? 'default'} +info`;
  return [unknownFigure('memory', 'bytes', why), unknownFigure('connections', 'number', why)];
}

export function infoOf(text: string): RedisInfo {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** What Redis does when its memory is full, if that loses messages; null: it refuses what is new, or does not say. */
export function dangerousEviction(info: RedisInfo): string | null {
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  return policy === 'noeviction' ? null : policy;
}

/** Pure. */
export function figuresOf(info: RedisInfo): readonly HealthFigure[] {
  const number = (name: string): number | null => {
    const value = info.get(name);
    return value === undefined || !/^\d+$/.test(value) ? null : Number(value);
  };
  return [memoryOf(info, number), connectionsOf(number), ...troubles(info)];
}

type NumberOf = (name: string) => number | null;

function memoryOf(info: RedisInfo, number: NumberOf): HealthFigure {
  const used = number('used_memory');
  if (used === null) return unknownFigure('memory', 'bytes', 'this server does not tell it');
  const limit = number('maxmemory') || null; // 0: none
  const policy = dangerousEviction(info);
  if (policy !== null)
    return figure('memory', used, 'bytes', {
      limit,
      level: limit === null ? 'warning' : 'danger',
      note: `when it is full, it deletes queues and results (maxmemory-policy ${policy}): CONFIG SET maxmemory-policy noeviction`,
    });
  const note = limit === null ? 'no limit is set (maxmemory)' : 'when it is full, it refuses what is sent';
  return figure('memory', used, 'bytes', { limit, note, level: fullness(used, limit) });
}

function connectionsOf(number: NumberOf): HealthFigure {
  const clients = number('connected_clients');
  if (clients === null) return unknownFigure('connections', 'number', 'this server does not tell it');
  const limit = number('maxclients'); // since Redis 6.2
  const refused = number('rejected_connections') ?? 0;
  return figure('connections', clients, 'number', {
    limit,
    level: fullness(clients, limit),
    note: refused > 0 ? `${refused} were refused since its start` : '',
  });
}

/** Writes to the disk that failed. */
function troubles(info: RedisInfo): readonly HealthFigure[] {
  const failed = [
    ...(info.get('rdb_last_bgsave_status') === 'err' ? ['the last snapshot'] : []),
    ...(info.get('aof_last_write_status') === 'err' ? ['the last write of the append-only file'] : []),
  ];
  if (failed.length === 0) return [];
  const note = `${failed.join(' and ')} failed: look into its log, and at its disk`;
  return [figure('failed writes to disk', failed.length, 'number', { note, level: 'danger' })];
}
