import type { App } from './app.ts';

/**
 * Deletes what waits in a queue, and what the result backend knows of these calls where both can tell: that they were sent. Returns how
 * many messages there were.
 */
export async function purgeQueue(app: App, queue: string): Promise<number> {
  const [broker, backend] = [await app.broker(), await app.backend()];
  return broker.purge(queue, async (ids) => backend?.forgetPending?.(ids));
}
