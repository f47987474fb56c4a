import type { RedisClient } from './link.ts';

/** How often a connection that is listened on is asked whether it lives; one that has not said so by the next time is given up. */
const pingIntervalMs = 5_000;

/**
 * Asks a connection that only listens whether it lives, as long as `isWanted`: it may die without a word, and then nobody would hear of
 * anything any more. Ends by what is returned, or after `lost`.
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
    // When this process was busy for so long, the answer may have arrived: it is read first.
    if (isSilent) setImmediate(giveUp);
    else if (isWanted()) {
      isSilent = true;
      const onReply = (): void => {
        isSilent = false;
      };
      client.ping().then(onReply, () => undefined);
    }
  };
  const timer = setInterval(ask, pingIntervalMs).unref();
  return () => {
    clearInterval(timer);
    isSilent = false;
  };
}
