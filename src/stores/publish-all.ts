import type { Publication, PublishOptions, Transport } from './transport.ts';

/**
 * Hands publications to the broker: what goes to a broadcast queue is told to who listens, the rest is kept for workers.
 * @throws what `publish` throws
 */
export function publishAll(
  transport: Pick<Transport, 'publish' | 'fanout'>,
  publications: readonly Publication[],
  options?: PublishOptions,
): Promise<void> {
  // At once, so that the calls of one tick are written together.
  if (!publications.some(({ broadcast }) => broadcast !== undefined))
    return transport.publish(publications, options);
  return publishBroadcasts(transport, publications).then((kept) =>
    kept.length > 0 ? transport.publish(kept, options) : undefined,
  );
}

/** Tells those of broadcast queues, and returns the others. */
export async function publishBroadcasts(
  { fanout }: Pick<Transport, 'fanout'>,
  publications: readonly Publication[],
): Promise<readonly Publication[]> {
  if (!publications.some(({ broadcast }) => broadcast !== undefined)) return publications;
  for (const { broadcast, message } of publications)
    if (broadcast !== undefined) await fanout.publish(broadcast.exchange, broadcast.routingKey, message);
  return publications.filter(({ broadcast }) => broadcast === undefined);
}
