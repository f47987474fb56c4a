// Renews a holder's lease from a thread: a task that blocks the event loop must not lose its permit to another worker.

import limitsRenewLua from 'lua:./lua/limits-renew.lua';
import program from 'thread:./lease-renewer.thread.ts';
import type { WaitingMessage } from '../limits.ts';
import type { RedisConnection } from './client/connection.ts';
import { SideThread } from './client/side-thread.ts';
import { luaScript } from './scripts.ts';

interface LeaseRenewerParts {
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly onNotified: (notified: readonly WaitingMessage[]) => void;
  readonly onEvicted: (holder: string) => void;
}

/** The thread's start data. */
export interface LeaseRenewerData {
  readonly prefix: string;
  readonly leaseMs: number;
}

/** A message to the thread: the holder whose lease it renews from now on. */
export interface LeaseRenewerInput {
  readonly holder: string;
}

export interface LeaseRenewerOutput {
  readonly evicted?: string;
  readonly notified?: readonly WaitingMessage[];
}

export class LeaseRenewer {
  readonly #thread: SideThread<LeaseRenewerData, LeaseRenewerInput, LeaseRenewerOutput>;

  constructor({ connection, leaseMs, onNotified, onEvicted }: LeaseRenewerParts) {
    const { keyPrefix: prefix } = connection.settings;
    this.#thread = new SideThread({
      connection,
      script: luaScript(limitsRenewLua),
      key: `${prefix}umbel:limit:holders`,
      program,
      answerMs: Math.max(leaseMs / 3, 1000),
      data: { prefix, leaseMs },
      onMessage: ({ evicted, notified }) => {
        if (evicted !== undefined) onEvicted(evicted);
        if (notified !== undefined) onNotified(notified);
      },
    });
  }

  /** Renews this holder's lease from now on. */
  renew(holder: string): void {
    this.#thread.send({ holder });
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}
