// Waits for a message of one list without polling: the server moves the next message to a list of ours, for one waiter at a time. If its answer
// is lost, the message stays there.

import type { Clock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import { blockSeconds, maxReadMs } from './read-time.ts';

interface BlockingReadParts {
  /** A connection of its own: a blocking read delays all commands behind it. */
  readonly connection: RedisConnection;
  readonly source: string;
  /** The list that messages are moved to; null while there is no consumer. */
  readonly taken: () => string | null;
  readonly clock: Clock;
  readonly onMessage: (stored: Buffer, taken: string, waitedMs: number) => void;
  /** The answer of a read was lost, which may have taken a message. It reads no more until `want` is called. */
  readonly onReplyLost: () => void;
  /** The server refuses to read (it is out of memory): a claim may bring what waits. Called before each repetition. */
  readonly onRefused: () => void;
}

export class BlockingRead {
  readonly #parts: BlockingReadParts;
  readonly #closing = new AbortController();
  readonly #unsubscribe: () => void;
  #wanted = false;
  /** The server's id of this connection, while a read may be under way. */
  #client = '';
  /** The same id once it was asked for; a new connection has another. */
  #known = '';
  #reading: Promise<void> | null = null;

  constructor(parts: BlockingReadParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.connection.onState(() => {
      this.#known = '';
    });
  }

  /** Reads from now on, until a message has come. */
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

  /** Stops reading. Resolves when the read has ended. */
  async stop(control: RedisConnection): Promise<void> {
    this.#wanted = false;
    // If the connection is made again at the wrong moment, its id is unknown; then the read ends by itself.
    for (let pauseMs = 2; this.#reading !== null && !this.#wanted; pauseMs = Math.min(pauseMs * 2, 250)) {
      const over = this.#reading.then(() => true);
      // Without the right to CLIENT UNBLOCK the read ends by itself, soon.
      const unblocked =
        this.#client === '' ||
        (await control
          .call(['CLIENT', 'UNBLOCK', this.#client], { timeoutMs: 1000 })
          .then((count) => Number(count) === 1)
          .catch(() => true));
      // The read was not blocked yet, or not any more.
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

  /** @throws when nothing was read; a read that may have taken a message ends the reading */
  async #readOnce(): Promise<void> {
    if (!this.#wanted) return;
    const { connection, source, taken, clock, onMessage, onReplyLost, onRefused } = this.#parts;
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
      if (!(error instanceof ReplyLost)) {
        if (connection.state.connected) onRefused();
        throw error;
      }
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
