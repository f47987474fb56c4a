import bindLua from 'lua:./lua/bind.lua';
import { BrokerUnavailable } from '../../errors.ts';
import type { PublishOptions } from '../transport.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import { isOutOfMemory } from './client/errors.ts';
import { consumersKey } from './keys.ts';
import { luaScript } from './scripts.ts';

/**
 * Adds members to a set of bindings, also on a server that is out of memory: a worker binds its queues before it can make room, and who asks
 * workers binds the mailbox of their replies.
 * @throws BrokerUnavailable; never SendUnconfirmed, since no message was sent yet
 */
export async function bind(
  connection: RedisConnection,
  key: string,
  members: readonly string[],
  { timeoutMs, signal }: PublishOptions = {},
): Promise<void> {
  const options = { timeoutMs, signal };
  try {
    await connection.call(['SADD', key, ...members], options).catch((error: unknown) => {
      if (!isOutOfMemory(error)) throw error;
      const keys = [consumersKey(connection.settings.keyPrefix), key];
      return connection.run(luaScript(bindLua), keys, members, options);
    });
  } catch (error) {
    if (error instanceof ReplyLost) throw new BrokerUnavailable(error.message, { cause: error });
    throw error;
  }
}
