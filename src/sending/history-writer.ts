// Writes what happens to tasks into the stream of a recorder, where one is registered.
import { createHash } from 'node:crypto';
import { systemClock } from '../lib/clock.ts';
import { atMost } from '../lib/deadline.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import type { EntryFrame, HistoryStream } from '../stores/history-stream.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Transport } from '../stores/transport.ts';

/** `auto`: written if a recorder is registered. */
type HistoryMode = 'auto' | 'always' | 'off';

/** How often the store is asked whether a recorder is registered, milliseconds. */
const lookEveryMs = 10_000;
/** How long a start waits for the first answer, and a stop for the last write, milliseconds. */
const firstLookMs = 500;
const closeMs = 3_000;
/** How long entries are gathered for one write, milliseconds, and how many are written at once. */
const gatherMs = 200;
const batch = 500;
/** How many of what was added wait for a store that is away; the oldest are dropped first. */
const maxWaiting = 20_000;
/** How long an entry of several may be, in characters. RabbitMQ keeps a message below 4,096 bytes in one place, and a larger one in two. */
const longestEntry = 3_800;

/** The property of a message whose sending was told to the history in an entry that travelled with it: see {@link HistoryWriter.sentNote}. */
export const sentNoteProperty = 'umbel_sent_note';
/** For how long the history surely has what a sender told, seconds: later that may have been pruned. */
const noteLastsS = 3_600;

/** A text of an entry, and the frame that it is in. */
export interface PartOfEntry {
  readonly frame: EntryFrame;
  readonly text: string;
}

const eventsFrame: EntryFrame = { start: '[', between: ',', end: ']' };

/** Of events as JSON, with commas between. */
export function ofEvents(text: string): PartOfEntry {
  return { frame: eventsFrame, text };
}

function entryOf({ frame, text }: PartOfEntry): string {
  return frame.start + text + frame.end;
}

export class HistoryWriter {
  /** Where it reports what could not be written. A worker sets its own. */
  logger: Logger = silentLogger;
  readonly #stream: HistoryStream;
  readonly #isAuto: boolean;
  #on = false;
  /** Stands for the registered readers; null: here nothing travels with a message, or they are not known. */
  #readers: string | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #waiting: PartOfEntry[] = [];
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #dropped = 0;
  #failing = false;
  #isSilent = false;

  private constructor(stream: HistoryStream, isAuto: boolean) {
    this.#stream = stream;
    this.#isAuto = isAuto;
  }

  /** Null: nothing is ever written. Does not reject when the store cannot answer now: it is asked again. */
  static async open(
    transport: Transport,
    mode: HistoryMode,
    limit: number | null,
  ): Promise<HistoryWriter | null> {
    if (mode === 'off' || transport.openHistoryStream === undefined) return null;
    const writer = new HistoryWriter(await transport.openHistoryStream({ limit }), mode === 'auto');
    // A broker that is away must not keep a program from starting.
    await atMost(firstLookMs, writer.look(), systemClock);
    return writer;
  }

  /** Whether entries are written. Asks the store in the background, now and then. */
  get on(): boolean {
    if (performance.now() - this.#lookedAt > lookEveryMs) void this.look();
    return this.#on;
  }

  /** The same as it was when the store was last asked: for a worker, which asks by its own clock, and looks at this several times for each task. */
  get wasOn(): boolean {
    return this.#on;
  }

  /** Asks the store whether a recorder is registered. Never rejects. */
  look(): Promise<void> {
    this.#lookedAt = performance.now();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** The write of an entry that travels with a settlement or a message; undefined: here nothing travels, use `append`. */
  writeOf(part: PartOfEntry): StoreWrite | undefined {
    const stream = this.#stream;
    const { frame, text } = part;
    if (frame !== eventsFrame && stream.writeIn !== undefined) return stream.writeIn(frame, text);
    return stream.writeOf?.(entryOf(part));
  }

  /** A note for a message whose sending is told by an entry that travels with it; null: do not note it. */
  sentNote(): string | null {
    return this.#readers === null ? null : `${this.#readers}.${Math.floor(Date.now() / 1000)}`;
  }

  /** Whether all readers of today were told of the sending of a message with this note, and not long ago. */
  knowsOfSending(note: unknown): boolean {
    if (this.#readers === null || typeof note !== 'string' || !note.startsWith(`${this.#readers}.`))
      return false;
    return Date.now() / 1000 - Number(note.slice(this.#readers.length + 1)) < noteLastsS;
  }

  /** Adds what happened to a task: it is written in a moment. */
  append(part: PartOfEntry): void {
    this.#waiting.push(part);
    if (this.#waiting.length > maxWaiting) this.#dropped += this.#waiting.splice(0, batch).length;
    if (this.#waiting.length >= batch && !this.#failing) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), gatherMs);
  }

  /** Writes what was added until now, if the store takes it. Never rejects. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
    });
    await this.#writing;
  }

  /** Writes the rest. Never rejects. */
  async close(): Promise<void> {
    await atMost(closeMs, this.flush(), systemClock);
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#stream.close().catch(() => undefined);
  }

  /** Where nothing travels, all that happens is added here, and each entry is a message: it has as much as fits in. */
  #entriesOf(added: readonly PartOfEntry[]): readonly string[] {
    if (this.#stream.writeOf !== undefined) return added.map(entryOf);
    const entries: string[] = [];
    const open = new Map<EntryFrame, string>();
    for (const { frame, text } of added) {
      const begun = open.get(frame);
      const fits = begun !== undefined && begun.length + text.length < longestEntry;
      if (begun !== undefined && !fits) entries.push(begun + frame.end);
      open.set(frame, (fits ? begun + frame.between : frame.start) + text);
    }
    for (const [frame, begun] of open) entries.push(begun + frame.end);
    return entries;
  }

  async #look(): Promise<void> {
    try {
      // Appending nothing makes the stream, which has no reader yet.
      if (this.#isAuto) this.#on = await this.#stream.registered();
      else if (!this.#on) this.#on = await this.#stream.append([]).then(() => true);
      this.#readers = this.#on && this.#stream.writeOf !== undefined ? await this.#namesOfReaders() : null;
      this.#isSilent = false;
    } catch (error) {
      // Reported once, not every ten seconds.
      if (this.#isSilent) return;
      this.#isSilent = true;
      this.logger.warn(
        { err: error },
        `cannot ask for recorders of the history: ${String(error)}; again later`,
      );
    }
  }

  async #namesOfReaders(): Promise<string | null> {
    const status = await this.#stream.status();
    if (status === null) return null;
    const ids = status.readers.map(({ id }) => id).sort();
    return createHash('sha256').update(ids.join('\n')).digest('hex').slice(0, 8);
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, batch);
      try {
        await this.#stream.append(this.#entriesOf(some));
      } catch (error) {
        this.#waiting.unshift(...some);
        if (!this.#failing)
          this.logger.warn(
            { err: error },
            `the history cannot be written now: ${String(error)}; the tasks go on`,
          );
        this.#failing = true;
        this.#timer ??= setTimeout(() => void this.flush(), 5 * gatherMs);
        return;
      }
      if (this.#dropped > 0)
        this.logger.warn({ dropped: this.#dropped }, `${this.#dropped} entries of the history were dropped`);
      this.#dropped = 0;
      this.#failing = false;
    }
  }
}
