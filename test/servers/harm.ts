// What people and other programs do to stores while workers use them. The tests of one store do it once, `npm run chaos` again and again.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { RabbitServerProcess } from './rabbitmq.ts';

/** What SQLite's own shell answers, in a process that opens the file, reads and closes it. */
export function shell(file: string, sql: string): string {
  const { stdout, stderr, status } = spawnSync('sqlite3', [file, sql], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

export const readings: readonly string[] = [
  'SELECT count(*) FROM peer',
  'PRAGMA wal_checkpoint(TRUNCATE)',
  'PRAGMA integrity_check',
];

/** Of an embedded store, with what SQLite keeps beside it. */
export function deleteStore(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
}

/** By a copy of itself, as a careless backup does. */
export function replaceStore(file: string): void {
  copyFileSync(file, `${file}.copy`);
  renameSync(`${file}.copy`, file);
}

/** All pages but the first, which holds the names of the tables. Nobody may have it open. */
export function damageStore(file: string): void {
  // What is in the log alone would be read from there.
  shell(file, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xff)]));
}

/** What makes a Redis server refuse, and what ends that. */
export const refusals: readonly [string, readonly string[], readonly string[]][] = [
  ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  [
    'NOREPLICAS',
    ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
    ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
  ],
  ['no right to HSET', ...right('HSET')],
  ['no right to ZADD', ...right('ZADD')],
  ['no right to SET', ...right('SET')],
];

/** Takes a command away from the user of Redis, and gives it back. */
export function right(command: string): [take: readonly string[], give: readonly string[]] {
  const change = (sign: string): string[] => ['ACL', 'SETUSER', 'default', sign + command.toLowerCase()];
  return [change('-'), change('+')];
}

/**
 * Deletes a queue if nothing waits in it; whether it did. What comes in the very moment RabbitMQ says to have, and it is gone with the
 * queue: nothing should be on its way. What workers have in hand they must keep.
 */
export async function deleteIfNothingWaits(
  server: RabbitServerProcess,
  vhost: string,
  queue: string,
): Promise<boolean> {
  const lookup = `rabbit_amqqueue:lookup({resource, <<"${vhost}">>, queue, <<"${queue}">>})`;
  const ifEmpty = 'rabbit_amqqueue:delete(Q, false, true, <<"test">>)';
  const said = await server.evaluate(
    `case ${lookup} of {ok, Q} -> case ${ifEmpty} of {ok, _} -> io:format("deleted"); _ -> ok end; _ -> ok end`,
  );
  return said.includes('deleted');
}

export async function deleteExchange(
  server: RabbitServerProcess,
  vhost: string,
  name: string,
): Promise<void> {
  await server.evaluate(
    `rabbit_exchange:delete({resource, <<"${vhost}">>, exchange, <<"${name}">>}, false, <<"test">>)`,
  );
}
