// Counts Celery's result records in a Redis, with another client than the one that is measured.
import Redis from 'ioredis';

export async function resultsInRedis(url) {
  const redis = new Redis(url);
  let count = 0;
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', 'celery-task-meta-*', 'COUNT', 10_000);
    cursor = next;
    count += keys.length;
  } while (cursor !== '0');
  await redis.quit();
  return count;
}
