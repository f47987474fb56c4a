// The contract of the stream by which programs tell recorders what happens to tasks. It is kept in the store of messages, so a recorder that was away
// loses nothing.
import type { StoreWrite } from './store-write.ts';

/** How long a registration lasts after the recorder was last seen, milliseconds: a week. */
export const registrationMs = 7 * 24 * 60 * 60 * 1000;

/** What entries have in common: an entry is `start`, texts of its own with `between` between, and `end`. Compared by identity. */
export interface EntryFrame {
  readonly start: string;
  readonly between: string;
  readonly end: string;
}

/**
 * A stream of entries: texts, whose meaning is the business of their writer. It is bounded: of more entries, the oldest are dropped, read or not. Every
 * method throws BrokerUnavailable when the store cannot answer, and may be called again.
 */
export interface HistoryStream {
  /** Whether a reader is registered, and was seen in the last {@link registrationMs}. If not, what was left in the stream may be deleted. */
  registered(): Promise<boolean>;
  /** Adds entries, in this order. They survive the end of this process; a loss of power may undo the last second. */
  append(entries: readonly string[]): Promise<void>;
  /** The write of an entry, to travel with a settlement or a message. Absent where nothing travels with those: then use `append`. */
  writeOf?(entry: string): StoreWrite;
  /** The same for an entry in a frame: many entries of one call have the same, which a store may send once. Absent: use `writeOf`. */
  writeIn?(frame: EntryFrame, text: string): StoreWrite;
  /** Registers a reader, or renews its registration. All recorders of one history have one id, and share its position. */
  register(reader: string): Promise<HistoryReader>;
  /** Null: this store does not tell who is registered. */
  status(): Promise<HistoryStreamStatus | null>;
  /** Ends what it does in the background. The store stays open. */
  close(): Promise<void>;
}

export interface HistoryReader {
  /** Whether this is the first registration of this id: it begins with the oldest entry that is there. */
  readonly isNew: boolean;
  /** The next entries, without waiting. They come again until they are acknowledged, also in other processes that read under this id. */
  read(limit: number): Promise<HistoryBatch>;
  /** How many entries it has not acknowledged. */
  waiting(): Promise<number>;
  /** Tells that the reader is there, so that its registration lasts. */
  renew(): Promise<void>;
  /** Ends the registration. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

export interface HistoryBatch {
  readonly entries: readonly string[];
  /** How many entries before these were dropped unread, since the stream was full; a lower bound where the store does not count them. */
  readonly dropped: number;
  /** These entries, and those before, are not read again under this id. */
  acknowledge(): Promise<void>;
}

export interface HistoryStreamStatus {
  /** Entries that the slowest reader has not read; of all entries, if there is no reader. */
  readonly waiting: number;
  /** Registered readers, the one seen last first. */
  readonly readers: readonly { readonly id: string; readonly seenAt: Date }[];
}

export interface HistoryStreamOptions {
  /** How many entries it holds, about; null: the default of the store. */
  readonly limit: number | null;
}
