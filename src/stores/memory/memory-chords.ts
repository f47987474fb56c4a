// Chords in the process's memory.

import { StoreError } from '../../errors.ts';
import {
  type ChordPart,
  type ChordPlace,
  decodePart,
  encodePart,
  successPrefix,
} from '../../protocol/chord-part.ts';
import { type ChordCount, type ChordState, type Chords, completedKeptMs } from '../chords.ts';
import type { StoreWrite } from '../store-write.ts';
import type { MemoryStore } from './memory.ts';

/** Facts about records that chords need. */
interface KnownRecords {
  hasEnded(id: string): boolean;
  now(): number;
  /** When an open chord expires, milliseconds since 1970. */
  expiryOfOpen(): number;
}

interface OpenChord {
  size: number | null;
  closer: string | null;
  manifest: string | null;
  expires: number;
  readonly added: Set<string>;
  /** Parts by task id, as text like in other stores, so that no object is shared. */
  readonly parts: Map<string, { readonly index: number; readonly text: string }>;
}

export class MemoryChords implements Chords {
  readonly #store: MemoryStore;
  readonly #records: KnownRecords;
  readonly #open: Map<string, OpenChord>;
  /** Chords that are done, with the time until which that is remembered, milliseconds since 1970. */
  readonly #done: Map<string, number>;

  constructor(store: MemoryStore, records: KnownRecords) {
    this.#store = store;
    this.#records = records;
    this.#open = store.part('chords', () => new Map());
    this.#done = store.part('chords done', () => new Map());
  }

  async resize(groupId: string, size: number, manifest?: string): Promise<void> {
    if (this.#done.has(groupId)) return;
    const chord = this.#of(groupId);
    chord.size = size;
    chord.manifest = manifest ?? chord.manifest;
  }

  async extend(groupId: string, taskId: string): Promise<void> {
    if (!this.#done.has(groupId)) this.#of(groupId).added.add(taskId);
  }

  async add(part: ChordPart, { groupId, index, bodyId, last, held }: ChordPlace): Promise<ChordState> {
    const text = encodePart(part);
    const closer = this.#open.get(groupId)?.closer ?? null;
    if (closer !== null) return closer === part.taskId ? 'complete' : 'open';
    if (this.#done.has(groupId)) return 'done';
    const chord = this.#of(groupId);
    const { parts, size, added } = chord;
    if (!parts.has(part.taskId)) parts.set(part.taskId, { index: index ?? Number.POSITIVE_INFINITY, text });
    if (held) return 'open';
    const ends = last && (size !== null || bodyId === null || !this.#records.hasEnded(bodyId));
    if (!ends && (size === null || parts.size < size + added.size)) return 'open';
    chord.closer = part.taskId;
    return 'complete';
  }

  async parts(groupId: string): Promise<readonly ChordPart[]> {
    const parts = [...(this.#open.get(groupId)?.parts.values() ?? [])];
    return parts
      .sort((a, b) => (a.index === b.index ? 0 : a.index - b.index))
      .map(({ text }) => {
        const part = decodePart(text);
        if (!part.ok) throw new StoreError(`a part of chord ${groupId} is damaged: ${part.refusal.detail}`);
        return part.value;
      });
  }

  async look(groupId: string): Promise<ChordCount | null> {
    const chord = this.#open.get(groupId);
    if (chord === undefined)
      return this.#done.has(groupId)
        ? { size: null, extra: 0, count: 0, closer: null, done: true, manifest: null, added: [] }
        : null;
    const { size, closer, manifest, added, parts } = chord;
    return { size, extra: added.size, count: parts.size, closer, done: false, manifest, added: [...added] };
  }

  async withdraw(groupId: string, taskId: string): Promise<boolean> {
    const chord = this.#open.get(groupId);
    const part = chord?.parts.get(taskId);
    if (chord === undefined || chord.closer !== null || part === undefined) return false;
    return !part.text.startsWith(successPrefix(taskId)) && chord.parts.delete(taskId);
  }

  async close(groupId: string, taskId: string): Promise<boolean> {
    const chord = this.#open.get(groupId);
    if (chord === undefined) return false;
    chord.closer ??= taskId;
    return chord.closer === taskId;
  }

  writeOfDone(groupId: string, record?: StoreWrite): StoreWrite {
    const apply = (transaction: never): boolean => {
      record?.apply(transaction);
      return this.#end(groupId);
    };
    return { store: this.#store, apply };
  }

  async done(groupId: string): Promise<void> {
    this.#end(groupId);
  }

  /** Deletes expired chords. */
  expire(nowMs: number): void {
    for (const [groupId, { expires }] of this.#open) if (expires <= nowMs) this.#open.delete(groupId);
    for (const [groupId, expires] of this.#done) if (expires <= nowMs) this.#done.delete(groupId);
  }

  #end(groupId: string): boolean {
    this.#done.set(groupId, this.#records.now() + completedKeptMs);
    return this.#open.delete(groupId);
  }

  /** The chord, which is created if needed. Each use extends its expiry. */
  #of(groupId: string): OpenChord {
    const expires = this.#records.expiryOfOpen();
    const chord = this.#open.get(groupId) ?? {
      size: null,
      closer: null,
      manifest: null,
      expires,
      added: new Set(),
      parts: new Map(),
    };
    chord.expires = expires;
    this.#open.set(groupId, chord);
    return chord;
  }
}
