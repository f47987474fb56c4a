// What beats have sent, as it lies in the queue: past all of our sending code.

import { decodeEnvelope } from '../../src/protocol/envelope.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import type { RedisServerProcess } from '../servers/redis.ts';

export interface SentRun {
  readonly id: string;
  readonly name: string;
  readonly dueMs: number;
  /** When its message was made. */
  readonly madeMs: number;
}

export async function sentToSqlite(path: string): Promise<SentRun[]> {
  const store = await SqliteStore.open(path, { shared: false });
  try {
    const rows = store.read((sql) => {
      // Before the first one is sent there is none.
      const table = sql("SELECT 1 FROM sqlite_master WHERE name = 'message'").get();
      return table === undefined ? [] : sql('SELECT envelope FROM message ORDER BY seq').all();
    });
    return rows.map((row) => read(row.envelope));
  } finally {
    await store.close();
  }
}

export function sentToRedis(server: RedisServerProcess): SentRun[] {
  const runs: SentRun[] = [];
  for (let from = 0; ; from += page) {
    const some = JSON.parse(
      server.cli('--json', 'LRANGE', 'celery', String(from), String(from + page - 1)),
    ) as string[];
    runs.push(...some.map(read));
    if (some.length < page) return runs;
  }
}

/** What the command line prints at once. */
const page = 200;

function read(envelope: unknown): SentRun {
  const bytes = typeof envelope === 'string' ? Buffer.from(envelope) : envelope;
  if (!(bytes instanceof Uint8Array)) throw new Error('no bytes');
  const wire = decodeEnvelope(bytes);
  if (!wire.ok) throw new Error(wire.refusal.detail);
  const task = decodeTask(wire.value);
  if (!task.ok) throw new Error(task.refusal.detail);
  const [name, dueMs, madeMs] = task.value.args;
  return { id: task.value.id, name: String(name), dueMs: Number(dueMs), madeMs: Number(madeMs) };
}

/** What is wrong with the runs of one schedule: sent twice, missing, early. Empty: each due run was sent once. */
export function faultsOf(
  runs: readonly SentRun[],
  name: string,
  sinceMs: number,
  intervalMs: number,
): string[] {
  const faults: string[] = [];
  const seen = new Map<number, number>();
  for (const run of runs) {
    if (run.name !== name) continue;
    seen.set(run.dueMs, (seen.get(run.dueMs) ?? 0) + 1);
    if (run.madeMs < run.dueMs)
      faults.push(`${name}: ${run.dueMs} was sent ${run.dueMs - run.madeMs} ms early`);
    if ((run.dueMs - sinceMs) % intervalMs !== 0) faults.push(`${name}: ${run.dueMs} is no due time`);
  }
  const last = Math.max(sinceMs, ...seen.keys());
  for (let due = sinceMs + intervalMs; due <= last; due += intervalMs) {
    const times = seen.get(due) ?? 0;
    if (times !== 1) faults.push(`${name}: ${due} was sent ${times} times`);
  }
  return faults;
}
