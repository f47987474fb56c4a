// Sends a call of a unique task. Its lock is taken with its message; or before it, where messages and locks are in two stores.

import { type UniqueRule, uniqueKey } from '../config/unique-options.ts';
import { ConfigError, DuplicateTaskError, SendUnconfirmed } from '../errors.ts';
import type { Json } from '../protocol/message.ts';
import type { Locks } from '../stores/locks.ts';
import { type Lock, lockHeader, writeLock } from '../stores/locks.ts';
import type { Publication } from '../stores/transport.ts';
import type { PreparedCall } from './prepare.ts';
import type { SendingApp, Stores } from './sending-app.ts';

interface UniqueCall {
  readonly lock: Lock;
  readonly rule: UniqueRule;
}

/** The lock of a call, and the header that carries it. */
export function asUnique(
  { message }: PreparedCall,
  rule: UniqueRule,
): { readonly unique: UniqueCall; readonly headers: Json } {
  const { id, task, args, kwargs, eta } = message;
  const waitMs = Math.max(0, (eta?.getTime() ?? 0) - Date.now());
  const replace = rule.policy === 'replace';
  const lock = { key: uniqueKey(task, rule, args, kwargs), id, ttlMs: rule.ttlMs + waitMs, replace };
  return { unique: { lock, rule }, headers: { [lockHeader]: writeLock(lock) } };
}

/**
 * Publishes, if no other task has the lock.
 * @returns the id of the task that has it (`return existing`), or null: sent
 * @throws DuplicateTaskError, and what `publish` throws: then the lock is free again, unless it is not known whether the message was sent
 */
export async function publishUnique(
  app: SendingApp,
  { lock, rule }: UniqueCall,
  publications: readonly Publication[],
  publish: (publications: readonly Publication[]) => Promise<void>,
): Promise<string | null> {
  const stores = await app.open();
  const locks = await locksOf(stores, lock.key);
  const [first, ...others] = publications;
  let existing: string | null;
  if (first !== undefined && others.length === 0 && locks.store === stores.transport.store) {
    const write = locks.taking(lock, first.write);
    await publish([{ ...first, write }]);
    existing = await write.existing();
  } else {
    // A short time to live at first: should this process die before the message is sent, nothing else would release the lock.
    existing = await locks.take({ ...lock, ttlMs: Math.min(lock.ttlMs, unsentMs) });
    if (existing === null) {
      try {
        await publish(publications);
      } catch (error) {
        if (!(error instanceof SendUnconfirmed))
          await locks.release(lock.key, lock.id).catch(() => undefined);
        throw error;
      }
      await locks.extend(lock); // the task may have ended by now
    }
  }
  if (existing !== null && rule.policy !== 'return existing')
    throw new DuplicateTaskError(lock.key, existing);
  return existing;
}

/** Milliseconds; a send that takes longer is given up: see `taskPublishTimeout`. */
const unsentMs = 60_000;

async function locksOf({ transport, backend }: Stores, key: string): Promise<Locks> {
  const locks = await (transport.openLocks?.() ?? backend?.openLocks?.());
  if (locks !== undefined) return locks;
  throw new ConfigError(
    `'${key}' is to be unique, and neither the broker (${transport.name}) nor the results (${backend?.name ?? 'none'}) can keep its lock: keep results in redis or sqlite`,
  );
}
