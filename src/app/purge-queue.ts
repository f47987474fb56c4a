import type { App } from './app.ts';

/**
 * Deletes the messages that wait in a queue. Where the store can, the records that these calls were sent are deleted, too. Returns the
 * number of messages.
 */
export async function purgeQueue(app: App, queue: string): Promise<number> {
  const [broker, backend] = [await app.broker(), await app.backend()];
  return broker.purge(queue, async (ids) => backend?.forgetPending?.(ids));
}
