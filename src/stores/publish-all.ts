import type { Publication, PublishOptions, Transport } from './transport.ts';

/**
 * Publishes: messages for broadcast queues go to all subscribers, the others are kept for workers.
 * @throws what `publish` throws
 */
export function publishAll(
  transport: Pick<Transport, 'publish' | 'fanout'>,
  publications: readonly Publication[],
  options?: PublishOptions,
): Promise<void> {
  // In the same tick, so that calls of one tick are written together.
  if (!publications.some(({ broadcast }) => broadcast !== undefined))
    return transport.publish(publications, options);
  return publishBroadcasts(transport, publications).then((kept) =>
    kept.length > 0 ? transport.publish(kept, options) : undefined,
  );
}

/** Sends the messages for broadcast queues, and returns the others. */
export async function publishBroadcasts(
  { fanout }: Pick<Transport, 'fanout'>,
  publications: readonly Publication[],
): Promise<readonly Publication[]> {
  if (!publications.some(({ broadcast }) => broadcast !== undefined)) return publications;
  for (const { broadcast, message } of publications)
    if (broadcast !== undefined) await fanout.publish(broadcast.exchange, broadcast.routingKey, message);
  return publications.filter(({ broadcast }) => broadcast === undefined);
}
