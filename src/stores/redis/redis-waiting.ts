// Changes to messages that wait in a queue of Redis. A window is read, decided on here, and changed by one script, which changes what still waits.
import changeWaitingLua from 'lua:./lua/change-waiting.lua';
import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import {
  type Decided,
  decisionsOf,
  type PlacedMessage,
  type WaitingChanges,
  waitingWindow,
} from '../waiting.ts';
import type { RedisConnection } from './client/connection.ts';
import { changing, reading } from './client/repeat.ts';
import type { RedisArgument } from './client/resp.ts';
import { consumersKey, listKey, quarantineKey, scheduleKey, stepOf } from './keys.ts';
import { markedAsReturned, splitMetadata, withMetadataOf } from './redelivery-metadata.ts';
import { luaScript } from './scripts.ts';

/** A message that was read. */
interface Found extends PlacedMessage {
  /** As it is stored: in the schedule, and in quarantine, with its step in front. */
  readonly stored: Buffer;
  /** Without its step. */
  readonly own: Buffer;
}

interface Place {
  readonly kind: 'schedule' | 'quarantine' | 'list';
  /** Of a list; else empty. */
  readonly step: string;
}

/** How far messages may have moved to the front between a look and the change, or the next look. */
const slack = 200;

/** A new time that is nearer than this, milliseconds, is left to the worker that claims it: others hear of a nearer time only when they renew their lease. */
const soonMs = 10_000;

/** See `Transport.changeWaiting`. */
export async function changeWaiting(
  connection: RedisConnection,
  queue: string,
  changes: WaitingChanges,
  declare: (queue: string) => Promise<void>,
): Promise<number> {
  const steps = connection.settings.prioritySteps;
  const places = changes.places.flatMap((place): Place[] =>
    place === 'scheduled'
      ? [{ kind: 'schedule', step: '' }]
      : [
          { kind: 'quarantine', step: '' },
          ...steps.map((step) => ({ kind: 'list', step: String(step) }) as const),
        ],
  );
  let count = 0;
  for (const place of places) {
    if (count >= changes.limit) break;
    const work = new Work(connection, queue, place, changes, changes.limit - count, declare);
    count += await (place.kind === 'schedule' ? work.throughSchedule() : work.throughList());
  }
  return count;
}

class Work {
  readonly #connection: RedisConnection;
  readonly #queue: string;
  readonly #place: Place;
  readonly #changes: WaitingChanges;
  readonly #limit: number;
  readonly #declare: (queue: string) => Promise<void>;
  #count = 0;

  constructor(
    connection: RedisConnection,
    queue: string,
    place: Place,
    changes: WaitingChanges,
    limit: number,
    declare: (queue: string) => Promise<void>,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#place = place;
    this.#changes = changes;
    this.#limit = limit;
    this.#declare = declare;
  }

  /** By time; of messages of one time those that were seen before, and kept, come first. */
  async throughSchedule(): Promise<number> {
    const key = scheduleKey(this.#prefix, this.#queue);
    for (let from = '-inf', seen = 0; this.#count < this.#limit; ) {
      const range = [
        'ZRANGEBYSCORE',
        key,
        from,
        '+inf',
        'WITHSCORES',
        'LIMIT',
        String(seen),
        String(waitingWindow),
      ];
      const cells = pairsOf(await this.#read(range));
      if (cells.length === 0) break;
      const found = cells.map(([member, due]) => foundOf(member, withoutStep(member), new Date(due)));
      const done = await this.#change(found, 0, 0);
      const last = found.at(-1)?.due?.getTime() ?? 0;
      const kept = found.filter((each) => each.due?.getTime() === last && !done.has(each)).length;
      seen = String(last) === from ? seen + kept : kept;
      from = String(last);
    }
    return this.#count;
  }

  /**
   * From the message that is claimed next. Workers take messages there, so that places change: the next window begins behind the last message that
   * was kept, wherever it is now.
   */
  async throughList(): Promise<number> {
    const { kind, step } = this.#place;
    const key =
      kind === 'quarantine'
        ? quarantineKey(this.#prefix, this.#queue)
        : listKey(this.#prefix, this.#queue, Number(step));
    let from = 0;
    let anchor: Buffer | null = null;
    while (this.#count < this.#limit) {
      const start = anchor === null ? 0 : Math.max(0, from - slack);
      const end = from + waitingWindow;
      const reply = await this.#read(['LRANGE', key, String(-end), String(-start - 1)]);
      const list: readonly Buffer[] = (Array.isArray(reply) ? reply : [])
        .filter((each) => each instanceof Buffer)
        .reverse();
      const behind: number = anchor === null ? 0 : lastPlace(list, anchor) + 1;
      if (anchor !== null && behind === 0) {
        from = 0; // it was taken, and all before it
        anchor = null;
        continue;
      }
      const found: readonly Found[] = list
        .slice(behind, behind + waitingWindow)
        .map((stored) => foundOf(stored, kind === 'quarantine' ? withoutStep(stored) : stored, null));
      if (found.length === 0) break;
      const done = await this.#change(found, Math.max(0, start + behind - slack), found.length + 2 * slack);
      const kept = found.filter((each) => !done.has(each));
      from = start + behind + kept.length;
      anchor = kept.at(-1)?.stored ?? anchor;
    }
    return this.#count;
  }

  async #change(found: readonly Found[], from: number, most: number): Promise<ReadonlySet<Found>> {
    const decided = decisionsOf(found, this.#changes, this.#limit - this.#count);
    if (decided.length === 0) return new Set();
    for (const { decision } of decided) if (decision !== 'delete') await this.#declare(decision.queue);
    const { kind, step } = this.#place;
    const { prioritySteps } = this.#connection.settings;
    const args: RedisArgument[] = [this.#prefix, this.#queue, kind, step, String(from), String(most)];
    for (const each of decided) args.push(...argumentsOf(each, prioritySteps));
    const run = this.#connection.run(luaScript(changeWaitingLua), [consumersKey(this.#prefix)], args);
    const reply = await changing(this.#connection, run);
    const flags: readonly unknown[] = Array.isArray(reply) ? reply : [];
    const done = decided.filter((_, n) => String(flags[n]) === '1').map((each) => each.found);
    this.#count += done.length;
    if (done.length > 0) await this.#changes.changed?.(done);
    return new Set(done);
  }

  #read(command: readonly string[]): Promise<unknown> {
    return reading(this.#connection, (timeoutMs) =>
      this.#connection.call(command, { timeoutMs, buffers: true }),
    );
  }

  get #prefix(): string {
    return this.#connection.settings.keyPrefix;
  }
}

function argumentsOf(
  { found, decision }: Decided<Found>,
  steps: readonly number[],
): readonly RedisArgument[] {
  if (decision === 'delete') return [found.stored, '', '', '', ''];
  const { queue, due, message, early = false } = decision;
  const isSoon = message !== null && due !== null && due.getTime() - Date.now() < soonMs;
  const time = due === null || isSoon ? '' : String(due.getTime());
  if (early) return [found.stored, queue, '', time, markedAsReturned(found.own)];
  if (message === null) return [found.stored, queue, '', time, ''];
  const step = String(stepOf(message.properties.priority, steps));
  return [found.stored, queue, step, time, withMetadataOf(found.own, encodeEnvelope(message))];
}

function foundOf(stored: Buffer, own: Buffer, due: Date | null): Found {
  return { stored, own, due, message: decodeEnvelope(splitMetadata(own).raw) };
}

function withoutStep(stored: Buffer): Buffer {
  return stored.subarray(stored.indexOf(':') + 1);
}

function lastPlace(list: readonly Buffer[], wanted: Buffer): number {
  return list.findLastIndex((each) => each.equals(wanted));
}

/** Members and scores, as either version of the protocol gives them. */
function pairsOf(reply: unknown): readonly (readonly [Buffer, number])[] {
  const flat: readonly unknown[] = Array.isArray(reply) ? reply.flat() : [];
  const pairs: (readonly [Buffer, number])[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const member = flat[at];
    if (member instanceof Buffer) pairs.push([member, Number(String(flat[at + 1]))]);
  }
  return pairs;
}
