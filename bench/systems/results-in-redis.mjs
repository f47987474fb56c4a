// Counts the results of Celery's kind in a Redis, with another client than the one that is measured.
import Redis from 'ioredis';

/** Records of success; that a task was sent is a record, too, and is not counted. */
export async function resultsInRedis(url) {
  const redis = new Redis(url);
  const seen = new Set();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', 'celery-task-meta-*', 'COUNT', 10_000);
    cursor = next;
    const values = keys.length > 0 ? await redis.mget(keys) : [];
    keys.forEach((key, at) => {
      if (values[at]?.includes('"SUCCESS"')) seen.add(key);
    });
  } while (cursor !== '0');
  await redis.quit();
  return seen.size;
}
