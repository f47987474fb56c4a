// The count of heartbeats: in Redis, or, where none is, in a file.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createClient } from '@redis/client';

export interface Heartbeats {
  /** Counts this run of the task once, however often it is repeated. Resolves with the count. */
  count(taskId: string): Promise<number>;
  /** How many there were, and when the last one was. Rejects when Redis is away. */
  status(): Promise<{ readonly count: number; readonly last: string | null }>;
  close(): void;
}

/** `url` null: without Redis. */
export function openHeartbeats(url: string | null, password: string | null): Heartbeats {
  return url === null ? inFile() : inRedis(url, password);
}

// A worker may die after the count was raised and before its result is recorded: then the task comes back with the same id, and
// must find that it was counted. So mark and count are one step.
const script = `
if redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then
  redis.call('SET', KEYS[3], ARGV[1])
  return redis.call('INCR', KEYS[2])
end
return tonumber(redis.call('GET', KEYS[2]) or '0')`;

const countKey = 'maintenance:heartbeat:count';
const lastKey = 'maintenance:heartbeat:last';

function inRedis(url: string, password: string | null): Heartbeats {
  const login = password === null ? {} : { password };
  const redis = createClient({
    url,
    ...login,
    disableOfflineQueue: true, // while Redis is away a request fails at once, and does not pile up
    // A Redis that is connected and does not answer is away, too.
    pingInterval: 1000,
    socket: { socketTimeout: 3000, reconnectStrategy: (tries) => Math.min(100 * tries, 2000) },
  });
  redis.on('error', () => {}); // each request tells it, too
  const connected = redis.connect();
  connected.catch(() => {}); // as above
  return {
    async count(taskId) {
      await connected;
      const keys = [`maintenance:heartbeat:counted:${taskId}`, countKey, lastKey];
      return Number(await redis.eval(script, { keys, arguments: [new Date().toISOString()] }));
    },
    async status() {
      const [count, last] = await redis.mGet([countKey, lastKey]);
      return { count: Number(count ?? 0), last: last ?? null };
    },
    close() {
      if (redis.isOpen) redis.destroy();
    },
  };
}

/** One worker writes it, and heartbeats do not overlap: the task that comes back is the last that was counted. */
function inFile(): Heartbeats {
  const path = '.data/heartbeats.json';
  const read = async (): Promise<{ count: number; last: string | null; taskId: string | null }> => {
    const text = await readFile(path, 'utf8').catch(() => '{"count":0,"last":null,"taskId":null}');
    return JSON.parse(text);
  };
  return {
    async count(taskId) {
      const before = await read();
      if (before.taskId === taskId) return before.count;
      const now = { count: before.count + 1, last: new Date().toISOString(), taskId };
      await mkdir('.data', { recursive: true });
      await writeFile(`${path}.new`, JSON.stringify(now));
      await rename(`${path}.new`, path);
      return now.count;
    },
    async status() {
      const { count, last } = await read();
      return { count, last };
    },
    close() {},
  };
}
