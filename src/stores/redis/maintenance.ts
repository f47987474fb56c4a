// Keeps a consumer's lease alive and the store in order: in a thread, so that user code that blocks the event loop does not stop it. SIGSTOP
// and death do.

import maintainLua from 'lua:./lua/maintain.lua';
import program from 'thread:./maintenance.thread.ts';
import type { RedisConnection } from './client/connection.ts';
import { classifyRedisError, isMissingRight } from './client/errors.ts';
import { SideThread } from './client/side-thread.ts';
import type { HandoffFlags } from './handoff-flags.ts';
import { consumersKey } from './keys.ts';
import { maxReadMs } from './read-time.ts';
import { luaScript } from './scripts.ts';

interface MaintenanceParts {
  /** The thread connects to the server to which this one is connected. */
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  readonly handoff: HandoffFlags;
  /** The consumer was evicted. */
  readonly onEvicted: (id: string) => void;
  /** There is a message to claim that no blocking read would bring. */
  readonly onWork: () => void;
  /** Called when it changes what cannot be kept in order, and what to do; null: everything is in order again. */
  readonly onTrouble: (trouble: string | null) => void;
}

/** A refused step of the maintenance. */
export interface Trouble {
  readonly key: string;
  /** The server's message. */
  readonly problem: string;
}

/** The thread's start data. */
export interface MaintenanceData {
  readonly prefix: string;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  /** How long a blocking read of an evicted consumer may still take a message, milliseconds. */
  readonly evictedMs: number;
  readonly suffixes: HandoffFlags['suffixes'];
  readonly shared: HandoffFlags['shared'];
  readonly blockedMs: number;
  readonly pollIntervalMs: number;
  readonly refusedMs: number;
  readonly lostMs: number;
}

/** A message to the thread: the consumer's id, or a time at which a message is due. */
export type MaintenanceInput = { readonly id: string } | { readonly due: number };

export interface MaintenanceOutput {
  readonly evicted?: string;
  readonly work?: boolean;
  readonly troubles?: readonly Trouble[];
}

/** A consumer that has not received its message after this time has a blocked event loop, milliseconds. */
const blockedMs = 2000;
/** The shortest time between two looks at that, milliseconds: the store is maintained at each time that a message is due. */
const pollIntervalMs = 500;
/** The pause before a refused call is repeated, milliseconds. */
const refusedMs = 1000;
/** The pause before a call without an answer is repeated, milliseconds. */
const lostMs = 200;

export class Maintenance {
  readonly #thread: SideThread<MaintenanceData, MaintenanceInput, MaintenanceOutput>;

  constructor({ connection, leaseMs, queues, handoff, onEvicted, onWork, onTrouble }: MaintenanceParts) {
    const { keyPrefix: prefix } = connection.settings;
    const { suffixes, shared } = handoff;
    this.#thread = new SideThread({
      connection,
      script: luaScript(maintainLua),
      key: consumersKey(prefix),
      program,
      answerMs: Math.max(leaseMs / 3, 1000),
      data: {
        prefix,
        leaseMs,
        queues,
        evictedMs: maxReadMs,
        suffixes,
        shared,
        blockedMs,
        pollIntervalMs,
        refusedMs,
        lostMs,
      },
      onMessage: ({ evicted, work, troubles }) => {
        if (evicted !== undefined) onEvicted(evicted);
        if (work === true) onWork();
        if (troubles !== undefined) onTrouble(shownTroubles(connection.settings.shown, troubles));
      },
    });
  }

  /** Renews this consumer's lease from now on. */
  maintain(id: string): void {
    this.#thread.send({ id });
  }

  /** A message was scheduled for this time (milliseconds since 1970). */
  due(ms: number): void {
    this.#thread.send({ due: ms });
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}

function shownTroubles(shown: string, troubles: readonly Trouble[]): string | null {
  const lines = troubles.flatMap(({ key, problem }) => {
    if (/\bWRONGTYPE\b/.test(problem))
      return `the key '${key}' holds another type than ours: RENAME it, and find out which program wrote it (umbel doctor)`;
    if (isMissingRight(problem)) return `the user has no right to do what '${key}' needs (ACL): ${problem}`;
    // The connection reports problems that pass by themselves.
    return classifyRedisError(problem).kind === 'fatal' ? `'${key}': ${problem}` : [];
  });
  return lines.length === 0 ? null : `${shown} cannot be kept in order: ${[...new Set(lines)].join('; ')}`;
}
