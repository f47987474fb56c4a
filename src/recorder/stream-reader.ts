// Reads what our programs write into the history stream, and keeps this history registered there.

import type { TaskFacts } from '../history/facts.ts';
import { readTaskEvent } from '../history/read-event.ts';
import type { Logger } from '../lib/logger.ts';
import { eventsIn } from '../protocol/event.ts';
import type { HistoryReader, HistoryStream } from '../stores/history-stream.ts';
import type { Transport } from '../stores/transport.ts';

/** What was read, and is acknowledged when it is written. */
export interface ReadFacts {
  readonly facts: readonly TaskFacts[];
  /** Entries that were dropped before these. */
  readonly dropped: number;
  /** Everything until now was read. */
  readonly isAll: boolean;
  /** When the first, and the last, of these events happened, milliseconds since 1970; null: there is none. */
  readonly firstAt: number | null;
  readonly lastAt: number | null;
  acknowledge(): Promise<void>;
}

/** How many entries are read for one transaction. */
const batch = 2_000;
const renewEveryMs = 60_000;
/** A recorder that is this many entries behind says so. */
const manyWaiting = 50_000;

export class StreamReader {
  readonly #stream: HistoryStream;
  readonly #reader: HistoryReader;
  readonly #logger: Logger;
  #lookedAt = performance.now();
  #failing = false;

  private constructor(stream: HistoryStream, reader: HistoryReader, logger: Logger) {
    this.#stream = stream;
    this.#reader = reader;
    this.#logger = logger;
  }

  /** Registers this history. Null: the broker keeps no stream. @throws BrokerUnavailable */
  static async open(
    transport: Transport,
    historyId: string,
    limit: number | null,
    logger: Logger,
  ): Promise<StreamReader | null> {
    const stream = await transport.openHistoryStream?.({ limit });
    if (stream === undefined) return null;
    const reader = await stream.register(historyId);
    const waiting = await reader.waiting();
    logger.info(
      { registered: historyId, waiting },
      reader.isNew
        ? `registered with the broker: programs write the history of their tasks for recorder ${historyId}`
        : `registered with the broker as recorder ${historyId}; ${waiting} entries wait`,
    );
    return new StreamReader(stream, reader, logger);
  }

  /** No recorder of this history was registered before. */
  get isNew(): boolean {
    return this.#reader.isNew;
  }

  /** What comes next; null: the broker cannot answer now. Never rejects. */
  async read(): Promise<ReadFacts | null> {
    try {
      await this.#look();
      const { entries, dropped, acknowledge } = await this.#reader.read(batch);
      const facts = entries.flatMap(factsIn);
      if (this.#failing) this.#logger.info({}, 'the history stream is read again');
      this.#failing = false;
      const times = facts.flatMap(({ marks }) => marks.map(({ at }) => at));
      return {
        facts,
        dropped,
        isAll: entries.length < batch,
        firstAt: times[0] ?? null,
        lastAt: times.at(-1) ?? null,
        acknowledge,
      };
    } catch (error) {
      if (!this.#failing)
        this.#logger.warn({ err: error }, `the history stream cannot be read now: ${String(error)}`);
      this.#failing = true;
      return null;
    }
  }

  /** How many entries wait in the broker. @throws BrokerUnavailable */
  waiting(): Promise<number> {
    return this.#reader.waiting();
  }

  /** The registration stays: what programs write meanwhile waits for the next recorder. */
  async close(): Promise<void> {
    await this.#reader.close();
    await this.#stream.close();
  }

  async #look(): Promise<void> {
    if (performance.now() - this.#lookedAt < renewEveryMs) return;
    this.#lookedAt = performance.now();
    await this.#reader.renew();
    const waiting = await this.#reader.waiting();
    if (waiting >= manyWaiting)
      this.#logger.warn({ waiting }, `the recorder is behind: ${waiting} entries wait in the broker`);
  }
}

function factsIn(entry: string): readonly TaskFacts[] {
  return eventsIn(entry)
    .map(readTaskEvent)
    .filter((facts) => facts !== null);
}
