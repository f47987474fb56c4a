// Waiting for a message of one list without polling: the server moves the next one to where we take it from, for one waiter at a
// time, and keeps it there should its answer be lost.

import type { Clock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';

/** How long one read blocks, seconds: also how soon a connection that is dead or deaf is noticed. */
const blockSeconds = 5;
const graceMs = 3000;

/** Milliseconds after which a blocking read of one who vanished has surely ended. */
export const maxReadMs: number = blockSeconds * 1000 + graceMs;

interface BlockingReadParts {
  /** Its own: a blocking read holds up all behind it. */
  readonly connection: RedisConnection;
  readonly source: string;
  /** Where to, for the consumer of now; null while there is none. */
  readonly taken: () => string | null;
  readonly clock: Clock;
  readonly onMessage: (stored: Buffer, taken: string, waitedMs: number) => void;
  /** A read ended without our knowing whether it took something. It waits no longer until it is told to. */
  readonly onReplyLost: () => void;
}

export class BlockingRead {
  readonly #parts: BlockingReadParts;
  readonly #closing = new AbortController();
  readonly #unsubscribe: () => void;
  #wanted = false;
  /** The number by which the server knows this connection, while a read may be under way. */
  #client = '';
  /** The same, once it was asked for: another one when the connection is made anew. */
  #known = '';
  #reading: Promise<void> | null = null;

  constructor(parts: BlockingReadParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.connection.onState(() => {
      this.#known = '';
    });
  }

  /** Waits from now on, for one message. */
  want(): void {
    if (this.#closing.signal.aborted) return;
    this.#wanted = true;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      if (this.#wanted) this.want(); // asked for just as it ended
    });
  }

  get reading(): boolean {
    return this.#reading !== null;
  }

  /** Waits no longer. The promise resolves when the read has ended. */
  async stop(control: RedisConnection): Promise<void> {
    this.#wanted = false;
    // Cut and made anew at the wrong moment, the connection has a number that we do not know; then the read ends by itself.
    for (let pauseMs = 2; this.#reading !== null && !this.#wanted; pauseMs = Math.min(pauseMs * 2, 250)) {
      const over = this.#reading.then(() => true);
      // Without the right to do so the read ends by itself, soon.
      const unblocked =
        this.#client === '' ||
        (await control
          .call(['CLIENT', 'UNBLOCK', this.#client], { timeoutMs: 1000 })
          .then((count) => Number(count) === 1)
          .catch(() => true));
      // Not blocked yet, or not any more.
      if (unblocked ? await over : await Promise.race([over, this.#parts.clock.sleep(pauseMs)])) return;
    }
  }

  async close(): Promise<void> {
    this.#wanted = false;
    this.#closing.abort();
    this.#unsubscribe();
    await this.#parts.connection.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { signal } = this.#closing;
    const rules = { policy: retryPolicy, clock: this.#parts.clock, signal };
    while (this.#wanted) await retrying(() => this.#readOnce(), rules);
  }

  /** @throws when nothing was read; a read that may have taken a message ends the reading. */
  async #readOnce(): Promise<void> {
    if (!this.#wanted) return;
    const { connection, source, taken, clock, onMessage, onReplyLost } = this.#parts;
    if (this.#known === '')
      this.#known = String(await connection.call(['CLIENT', 'ID'], { timeoutMs: maxReadMs }));
    const to = taken();
    if (!this.#wanted || to === null) {
      this.#wanted = false;
      return;
    }
    this.#client = this.#known;
    const since = clock.monotonic();
    let stored: unknown;
    try {
      stored = await connection.call(['BLMOVE', source, to, 'RIGHT', 'LEFT', String(blockSeconds)], {
        buffers: true,
        timeoutMs: maxReadMs,
      });
    } catch (error) {
      if (!(error instanceof ReplyLost)) throw error;
      this.#wanted = false;
      if (!this.#closing.signal.aborted) onReplyLost();
      return;
    } finally {
      this.#client = '';
    }
    if (!Buffer.isBuffer(stored)) return;
    this.#wanted = false;
    onMessage(stored, to, clock.monotonic() - since);
  }
}

const retryPolicy = { factor: 50, maximum: 1000, jitter: true } as const;
