// Schedules in Redis.

import beatChangesLua from 'lua:./lua/beat-changes.lua';
import beatGetLua from 'lua:./lua/beat-get.lua';
import beatLeadLua from 'lua:./lua/beat-lead.lua';
import beatPutLua from 'lua:./lua/beat-put.lua';
import beatRecordLua from 'lua:./lua/beat-record.lua';
import beatRemoveLua from 'lua:./lua/beat-remove.lua';
import beatResignLua from 'lua:./lua/beat-resign.lua';
import {
  type Changes,
  type EntryState,
  historyLength,
  type LeadState,
  noState,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../schedule-store.ts';
import { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import type { RedisScript } from './client/script.ts';
import { redisSettings } from './client/settings.ts';
import { luaScript } from './scripts.ts';

/** @throws ConfigError for a URL or option that is not understood. Does not wait for the server. */
export async function openRedisScheduleStore(
  url: string,
  app: string,
  driver: Readonly<Record<string, unknown>> = {},
): Promise<ScheduleStore> {
  return new RedisScheduleStore(await RedisConnection.open(redisSettings(url, 'beatStore', driver)), app);
}

const answerMs = 10_000;

class RedisScheduleStore implements ScheduleStore {
  readonly name = 'redis';
  readonly store: object;
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  constructor(connection: RedisConnection, app: string) {
    // Not the broker's store: our writes are scripts of our own, and none travels with a send.
    this.store = {};
    this.#connection = connection;
    this.#prefix = `${connection.settings.keyPrefix}umbel:beat:${app}:`;
  }

  async lead(
    holder: string,
    seen: Pick<LeadState, 'fence' | 'beats'> | null,
    timeoutMs: number = answerMs,
  ): Promise<LeadState> {
    const given = [holder, seen === null ? '' : String(seen.fence), seen === null ? '' : String(seen.beats)];
    const [leader, fence, beats, revision, seconds, micros] = await this.#texts(
      luaScript(beatLeadLua),
      ['lead'],
      given,
      timeoutMs,
    );
    return {
      holder: leader ?? '',
      fence: Number(fence),
      beats: Number(beats),
      revision: Number(revision),
      nowMs: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    };
  }

  async resign(holder: string): Promise<void> {
    await this.#run(luaScript(beatResignLua), ['lead'], [holder]);
  }

  async now(): Promise<number> {
    const reply = await repeat(this.#connection, performance.now() + answerMs, (timeoutMs) =>
      this.#connection.call(['TIME'], { timeoutMs }),
    );
    const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : [];
    return (seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000);
  }

  async changes(since: number | null): Promise<Changes> {
    const keys = ['lead', 'entries', 'states', 'revisions'];
    const [revision, complete, ...rest] = await this.#texts(luaScript(beatChangesLua), keys, [
      since === null ? '' : String(since),
    ]);
    const entries: StoredEntry[] = [];
    for (let at = 0; at < rest.length; at += 4) {
      const [name = '', text = '', changed, state = ''] = rest.slice(at, at + 4);
      entries.push({ name, text, revision: Number(changed), state: readState(state) });
    }
    return { revision: Number(revision), entries, complete: complete === '1' };
  }

  async get(name: string): Promise<StoredEntry | undefined> {
    const [text, revision, state] = await this.#texts(
      luaScript(beatGetLua),
      ['entries', 'states', 'revisions'],
      [name],
    );
    if (text === undefined) return undefined;
    return { name, text, revision: Number(revision), state: readState(state ?? '') };
  }

  async put(name: string, text: string, expected: number | null): Promise<boolean> {
    const keys = ['lead', 'entries', 'states', 'revisions'];
    const written = await this.#run(luaScript(beatPutLua), keys, [
      name,
      text,
      expected === null ? '' : String(expected),
    ]);
    // After a lost answer the repeated call would be refused because of the first.
    return Number(written) === 1 || (await this.get(name))?.text === text;
  }

  async remove(name: string): Promise<boolean> {
    const keys = ['lead', 'entries', 'states', 'revisions', historyKey(name)];
    return Number(await this.#run(luaScript(beatRemoveLua), keys, [name])) === 1;
  }

  async record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'> {
    const keys = ['lead', 'entries', 'states', ...runs.map(({ name }) => historyKey(name))];
    const given = [fence === null ? '' : String(fence), String(historyLength)];
    for (const run of runs) {
      const { name, untilMs, atMs, outcome, taskId } = run;
      given.push(name, String(untilMs), String(atMs), outcome, taskId ?? '', JSON.stringify(run));
    }
    return Number(await this.#run(luaScript(beatRecordLua), keys, given)) === 1 ? 'recorded' : 'fenced';
  }

  async history(name: string, limit: number): Promise<readonly RunRecord[]> {
    const key = this.#prefix + historyKey(name);
    const reply = await repeat(this.#connection, performance.now() + answerMs, (timeoutMs) =>
      this.#connection.call(['LRANGE', key, '0', String(limit - 1)], { timeoutMs }),
    );
    // Written by us.
    return Array.isArray(reply) ? reply.map((text) => JSON.parse(String(text)) as RunRecord) : [];
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run(
    script: RedisScript,
    keys: readonly string[],
    given: readonly string[],
    timeoutMs: number = answerMs,
  ): Promise<unknown> {
    const named = keys.map((key) => this.#prefix + key);
    return repeat(this.#connection, performance.now() + timeoutMs, (leftMs) =>
      this.#connection.run(script, named, given, { timeoutMs: leftMs }),
    );
  }

  async #texts(
    script: RedisScript,
    keys: readonly string[],
    given: readonly string[],
    timeoutMs?: number,
  ): Promise<readonly string[]> {
    const reply = await this.#run(script, keys, given, timeoutMs);
    return Array.isArray(reply) ? reply.map(String) : [];
  }
}

function historyKey(name: string): string {
  return `history:${name}`;
}

function readState(text: string): EntryState {
  const [due, run, sent, anchor, ...task] = text.split('|');
  if (sent === undefined) return noState;
  return {
    lastDueMs: numberOrNull(due),
    lastRunMs: numberOrNull(run),
    lastTaskId: task.join('|') || null,
    sent: Number(sent),
    anchorMs: numberOrNull(anchor),
  };
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : Number(text);
}
