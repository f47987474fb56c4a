// Looking through a queue from its front without taking anything out: by consumers whose messages are not acknowledged, one after another.

import { BrokerUnavailable } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { atMost } from '../../lib/deadline.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import type { AmqpChannel, AmqpMessage } from './client/link.ts';

/** How many messages one consumer gets; then the next consumer continues. No more messages are in memory at once. */
const windowSize = 200;
/** After this time without a message, milliseconds, the queue is checked for further messages. */
const quietMs = 200;

/**
 * The messages that are in the queue now, in their order, until the channel is closed: then those that were not acknowledged are back in
 * their places. What another one looks at is not seen.
 * @throws BrokerUnavailable when the channel is gone
 */
export async function* lookThrough(channel: AmqpChannel, queue: string): AsyncGenerator<AmqpMessage, void> {
  const came: AmqpMessage[] = [];
  let changed: Deferred<void> = deferred();
  let isGone = false;
  let given = windowSize; // as if a consumer before had had its share
  let tag: string | null = null;
  const wake = (): void => {
    changed.resolve();
    changed = deferred();
  };
  channel.once('close', () => {
    isGone = true;
    wake();
  });
  const onMessage = (message: AmqpMessage | null): void => {
    if (message === null) return; // the server has cancelled it: nothing more comes
    given++;
    came.push(message);
    wake();
  };
  const { messageCount } = await channel.checkQueue(queue);
  if (messageCount === 0) return;
  await channel.prefetch(windowSize);
  for (let seen = 0; seen < messageCount; ) {
    if (isGone) throw new BrokerUnavailable(`the connection was lost while '${queue}' was looked through`);
    const message = came.shift();
    if (message !== undefined) {
      seen++;
      yield message;
    } else if (given >= windowSize) {
      if (tag !== null) await channel.cancel(tag);
      given = 0;
      tag = (await channel.consume(queue, onMessage)).consumerTag;
    } else if (!(await atMost(quietMs, changed.promise, systemClock)) && came.length === 0 && !isGone) {
      if ((await channel.checkQueue(queue)).messageCount === 0 && came.length === 0) return;
      given = windowSize; // what was acknowledged meanwhile may have hidden that its share is used up
    }
  }
}
