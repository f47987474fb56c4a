// What keeps a consumer's lease alive and the store in order: a thread of its own, so that user code that blocks the event loop
// does not stop it. SIGSTOP and death do.

import program from 'thread:./maintenance.thread.ts';
import { maxReadMs } from './blocking-read.ts';
import type { RedisConnection } from './client/connection.ts';
import { classifyRedisError, isMissingRight } from './client/errors.ts';
import { SideThread } from './client/side-thread.ts';
import type { HandoffFlags } from './handoff-flags.ts';
import { consumersKey } from './keys.ts';
import { luaScript } from './scripts.ts';

interface MaintenanceParts {
  /** Where this one is connected the thread connects, too. */
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  readonly handoff: HandoffFlags;
  /** The consumer was taken for dead. */
  readonly onEvicted: (id: string) => void;
  /** There is something to claim that no blocking read hears of. */
  readonly onWork: () => void;
  /** What cannot be kept in order, and what to do; null when everything can again. Told when it has changed. */
  readonly onTrouble: (trouble: string | null) => void;
}

/** A step of maintenance that is refused. */
export interface Trouble {
  readonly key: string;
  /** What the server says. */
  readonly problem: string;
}

/** With which the thread starts. */
export interface MaintenanceData {
  readonly prefix: string;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  /** For so long a blocking read of one that has evicted may still take something. */
  readonly evictedMs: number;
  readonly suffixes: HandoffFlags['suffixes'];
  readonly shared: HandoffFlags['shared'];
  readonly blockedMs: number;
  readonly pollIntervalMs: number;
  readonly refusedMs: number;
  readonly lostMs: number;
}

/** What the thread is told: the consumer's id, or a time at which something is due. */
export type MaintenanceInput = { readonly id: string } | { readonly due: number };

export interface MaintenanceOutput {
  readonly evicted?: string;
  readonly work?: boolean;
  readonly troubles?: readonly Trouble[];
}

/** A consumer that has not heard of its message for so long has a blocked event loop. */
const blockedMs = 2000;
/** How often that is looked at, at most: the store is tended for each time that something comes due. */
const pollIntervalMs = 500;
/** How soon what was refused is tried again. */
const refusedMs = 1000;
/** The same for what had no answer. */
const lostMs = 200;

export class Maintenance {
  readonly #thread: SideThread<MaintenanceData, MaintenanceInput, MaintenanceOutput>;

  constructor({ connection, leaseMs, queues, handoff, onEvicted, onWork, onTrouble }: MaintenanceParts) {
    const { keyPrefix: prefix } = connection.settings;
    const { suffixes, shared } = handoff;
    this.#thread = new SideThread({
      connection,
      script: luaScript('maintain'),
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

  /** Something was scheduled for this time (milliseconds since 1970): looks after it. */
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
      return `the key '${key}' holds something that is not ours: RENAME it out of the way, and see who wrote it (umbel doctor)`;
    if (isMissingRight(problem)) return `the user has no right to do what '${key}' needs (ACL): ${problem}`;
    // What passes by itself is told by the connection.
    return classifyRedisError(problem).kind === 'fatal' ? `'${key}': ${problem}` : [];
  });
  return lines.length === 0 ? null : `${shown} cannot be kept in order: ${[...new Set(lines)].join('; ')}`;
}
