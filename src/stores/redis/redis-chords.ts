// Chords in Celery's keys, so that members in Python and in TypeScript share a chord. Celery has `.j` (the members' ends), `.s` (their number)
// and `.t` (how many were added). While a chord is open we add two keys: `.c`, the member that completed it, and `.x`, the members that were
// added; and `.d` for an hour after it is done. `.b` is the chord's manifest, if an application of ours has sent it.

import addChordPartsLua from 'lua:./lua/add-chord-parts.lua';
import closeChordLua from 'lua:./lua/close-chord.lua';
import extendChordLua from 'lua:./lua/extend-chord.lua';
import lookChordLua from 'lua:./lua/look-chord.lua';
import resizeChordLua from 'lua:./lua/resize-chord.lua';
import withdrawChordPartLua from 'lua:./lua/withdraw-chord-part.lua';
import { StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import {
  type ChordPart,
  type ChordPlace,
  decodePart,
  encodePart,
  partPrefix,
  successPrefix,
} from '../../protocol/chord-part.ts';
import { type ChordCount, type ChordState, type Chords, completedKeptMs } from '../chords.ts';
import type { StoreWrite } from '../store-write.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import { recordOf } from './record-args.ts';
import { groupKey, recordKey } from './record-keys.ts';
import { RedisRecordWrite } from './record-write.ts';
import { luaScript } from './scripts.ts';
import type { WriteBatcher } from './write-batcher.ts';

interface Add {
  readonly groupId: string;
  /** The key of the body's record; '' if its id is not known. */
  readonly bodyKey: string;
  /** score task prefix entry last */
  readonly args: readonly string[];
  readonly size: number;
  readonly untilMs: number;
  resolve(state: ChordState): void;
  reject(error: unknown): void;
}

/** What chords need of their backend. */
interface RedisChordContext {
  readonly writes: WriteBatcher;
  readonly answerMs: number;
  /** How long an open chord is kept after its last member, milliseconds; null: for ever. */
  readonly keptMs: number | null;
}

/** Bounded, so that a script does not keep Redis from others for long. */
const maxParts = 200;
const maxSize = 1_000_000;

export class RedisChords implements Chords {
  readonly #connection: RedisConnection;
  readonly #around: RedisChordContext;
  readonly #batcher: MicroBatcher<Add> = new MicroBatcher((adds) => {
    for (const chunk of chunksOf(adds, maxParts, maxSize, ({ size }) => size)) void this.#send(chunk);
  });

  constructor(connection: RedisConnection, around: RedisChordContext) {
    this.#connection = connection;
    this.#around = around;
  }

  async resize(groupId: string, size: number, manifest = ''): Promise<void> {
    const base = this.#base(groupId);
    const args = [base, String(size), String(this.#around.keptMs ?? ''), manifest];
    await this.#ask((timeoutMs) =>
      this.#connection.run(luaScript(resizeChordLua), [base], args, { timeoutMs }),
    );
  }

  async extend(groupId: string, taskId: string): Promise<void> {
    const base = this.#base(groupId);
    const args = [base, taskId, String(this.#around.keptMs ?? '')];
    await this.#ask((timeoutMs) =>
      this.#connection.run(luaScript(extendChordLua), [base], args, { timeoutMs }),
    );
  }

  add(part: ChordPart, { groupId, index, bodyId, last, held }: ChordPlace): Promise<ChordState> {
    return new Promise((resolve, reject) => {
      const text = encodePart(part);
      const args = [
        index === null ? '+inf' : String(index),
        part.taskId,
        partPrefix(part.taskId),
        text,
        held ? '-1' : last ? '1' : '0',
      ];
      const bodyKey = bodyId === null ? '' : recordKey(this.#connection.settings.keyPrefix, bodyId);
      const untilMs = performance.now() + this.#around.answerMs;
      this.#batcher.add({ groupId, bodyKey, args, size: text.length, untilMs, resolve, reject });
    });
  }

  async parts(groupId: string): Promise<readonly ChordPart[]> {
    const key = `${this.#base(groupId)}.j`;
    const texts = await this.#ask((timeoutMs) =>
      this.#connection.call(['ZRANGE', key, '0', '-1'], { timeoutMs }),
    );
    if (!Array.isArray(texts)) throw new StoreError(`${this.#shown}: ZRANGE answered no list`);
    return texts.map((text) => {
      const part = decodePart(String(text));
      if (part.ok) return part.value;
      throw new StoreError(
        `a part of chord ${groupId} at ${this.#shown} cannot be read: ${part.refusal.detail}`,
      );
    });
  }

  async look(groupId: string): Promise<ChordCount | null> {
    const base = this.#base(groupId);
    const read = (timeoutMs: number) =>
      this.#connection.run(luaScript(lookChordLua), [base], [base], { timeoutMs });
    const found = await this.#ask(read);
    if (!Array.isArray(found)) return null;
    const [size, extra, count, closer, done, manifest, added] = found;
    return {
      size: size === '' ? null : Number(size),
      extra: Number(extra),
      count: Number(count),
      closer: closer === '' ? null : String(closer),
      done: done === 1,
      manifest: manifest === '' ? null : String(manifest),
      added: Array.isArray(added) ? added.map(String) : [],
    };
  }

  async withdraw(groupId: string, taskId: string): Promise<boolean> {
    const base = this.#base(groupId);
    const args = [base, partPrefix(taskId), successPrefix(taskId)];
    const done = await this.#ask((timeoutMs) =>
      this.#connection.run(luaScript(withdrawChordPartLua), [base], args, { timeoutMs }),
    );
    return done === 1;
  }

  async close(groupId: string, taskId: string): Promise<boolean> {
    const base = this.#base(groupId);
    const args = [base, taskId, String(this.#around.keptMs ?? '')];
    const closed = await this.#ask((timeoutMs) =>
      this.#connection.run(luaScript(closeChordLua), [base], args, { timeoutMs }),
    );
    return closed === 1;
  }

  writeOfDone(groupId: string, record?: StoreWrite): StoreWrite {
    return this.#done(groupId, record);
  }

  async done(groupId: string): Promise<void> {
    await this.#around.writes.put(this.#done(groupId));
  }

  #done(groupId: string, record?: StoreWrite): RedisRecordWrite {
    const { store, db } = this.#connection.settings;
    const args = recordOf(record, store);
    const text = args === null ? '' : JSON.stringify(args);
    return new RedisRecordWrite(store, 'done', db, this.#base(groupId), text, completedKeptMs);
  }

  async #send(chunk: readonly Add[]): Promise<void> {
    try {
      const chords = ofEachChord(chunk);
      const keys = [this.#base(chunk[0]?.groupId ?? '')];
      const args = [String(this.#around.keptMs ?? '')];
      for (const [first, ...others] of chords)
        args.push(
          this.#base(first.groupId),
          first.bodyKey,
          String(1 + others.length),
          ...first.args,
          ...others.flatMap((add) => add.args),
        );
      const answers = await repeat(this.#connection, chunk[0]?.untilMs ?? 0, (timeoutMs) =>
        this.#connection.run(luaScript(addChordPartsLua), keys, args, { timeoutMs }),
      );
      const states: readonly unknown[] = Array.isArray(answers) ? answers : [];
      for (const [index, add] of chords.flat().entries()) {
        const state = String(states[index] ?? 'no answer');
        if (state === 'open' || state === 'complete' || state === 'done') add.resolve(state);
        else add.reject(this.#explain(state, this.#base(add.groupId)));
      }
    } catch (error) {
      for (const add of chunk) add.reject(error);
    }
  }

  #explain(refused: string, base: string): Error {
    if (/\bWRONGTYPE\b/.test(refused))
      return new StoreError(
        `${this.#shown}: the key '${base}.j' is no sorted set: Python workers must keep the parts of chords in order (result_chord_ordered, the default)`,
      );
    return this.#connection.refusedWithin('a part of a chord', refused);
  }

  #ask<T>(ask: (timeoutMs: number) => Promise<T>): Promise<T> {
    return repeat(this.#connection, performance.now() + this.#around.answerMs, ask);
  }

  #base(groupId: string): string {
    return groupKey(this.#connection.settings.keyPrefix, groupId);
  }

  get #shown(): string {
    return this.#connection.settings.shown;
  }
}

/** Groups members by their chord, each chord in its order. */
function ofEachChord(adds: readonly Add[]): readonly [Add, ...Add[]][] {
  const chords = new Map<string, [Add, ...Add[]]>();
  for (const add of adds) {
    const chord = `${add.groupId} ${add.bodyKey}`;
    const others = chords.get(chord);
    if (others === undefined) chords.set(chord, [add]);
    else others.push(add);
  }
  return [...chords.values()];
}
