import type { RedisClient } from './client.ts';

/** How often a subscribed connection is pinged, milliseconds; if there is no answer by the next time, it is given up. */
const pingIntervalMs = 5_000;

/**
 * Pings a connection that only receives, while `isWanted`: it may die silently, and nothing would be received any more. Ends when the returned
 * function is called, or after `lost`.
 */
export function pinging(
  client: RedisClient,
  lost: (reason: Error) => void,
  isWanted: () => boolean = () => true,
): () => void {
  let isSilent = false;
  const giveUp = (): void => {
    if (!isSilent) return;
    clearInterval(timer);
    lost(new Error('no sign of life from the server'));
  };
  const ask = (): void => {
    // When this process was busy all the time, the answer may have arrived: it is read first.
    if (isSilent) setImmediate(giveUp);
    else if (isWanted()) {
      isSilent = true;
      const onReply = (): void => {
        isSilent = false;
      };
      client.call(['PING']).then(onReply, () => undefined);
    }
  };
  const timer = setInterval(ask, pingIntervalMs).unref();
  return () => {
    clearInterval(timer);
    isSilent = false;
  };
}
