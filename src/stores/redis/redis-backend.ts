// The Redis result backend: Celery's keys, records and publications.

import { StoreError } from '../../errors.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../protocol/result-meta.ts';
import type { AuditStore } from '../audit-store.ts';
import type { ResultBackend, ResultBackendFeatures } from '../backend.ts';
import type { Chords } from '../chords.ts';
import { keptMs, keptUnendedMs } from '../kept.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import type { BackendOptions } from '../registry.ts';
import type { HealthFigure } from '../store-health.ts';
import type { StoreWrite } from '../store-write.ts';
import { OneShotEvent, type RecordSource, watchRecord } from '../watch-record.ts';
import { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import { redisSettings } from './client/settings.ts';
import { ReadBatcher } from './read-batcher.ts';
import { recordKey } from './record-keys.ts';
import { allOf, type RecordKind, RedisRecordWrite, sentElsewhereKey } from './record-write.ts';
import { RedisChords } from './redis-chords.ts';
import { RedisGroups } from './redis-groups.ts';
import { Subscriptions } from './subscriptions.ts';
import { WriteBatcher } from './write-batcher.ts';

interface RedisBackendOptions extends BackendOptions {
  /** How long the server may take to answer, milliseconds; default 10 s. */
  readonly answerMs?: number;
}

/**
 * Opens the backend on a Redis server. Connects in the background; calls wait for the connection.
 * @throws ConfigError for a URL or option that is not understood
 */
export async function openRedisBackend(url: string, options: RedisBackendOptions): Promise<ResultBackend> {
  const connection = await RedisConnection.open(redisSettings(url, 'backend', options.driver));
  return new RedisBackend(connection, options.expiresMs, options.answerMs ?? 10_000);
}

/** The record of a waiting task: short enough that Redis keeps it in one piece with its key. */
const sentRecord = '{"status": "PENDING", "result": null}';

class RedisBackend implements ResultBackend {
  readonly name = 'redis';
  readonly features: ResultBackendFeatures = {
    multiProcess: true,
    remembersSent: true,
    sweeps: false,
    chords: true,
  };
  readonly store: object;
  readonly chords: Chords;
  readonly groups: RedisGroups;
  readonly #connection: RedisConnection;
  readonly #answerMs: number;
  readonly #keptMs: number | null;
  readonly #keptUnendedMs: number | null;
  readonly #writes: WriteBatcher;
  readonly #reads: ReadBatcher;
  readonly #subscriptions: Subscriptions;
  readonly #closing: OneShotEvent = new OneShotEvent();

  constructor(connection: RedisConnection, expiresMs: number | null, answerMs: number) {
    this.store = connection.settings.store;
    this.#connection = connection;
    this.#answerMs = answerMs;
    this.#keptMs = keptMs(expiresMs);
    this.#keptUnendedMs = keptUnendedMs(expiresMs);
    this.#writes = new WriteBatcher(connection, answerMs);
    this.#reads = new ReadBatcher(connection, answerMs);
    this.#subscriptions = Subscriptions.of(connection.settings);
    this.groups = new RedisGroups(connection, answerMs, this.#keptMs);
    this.chords = new RedisChords(connection, {
      writes: this.#writes,
      answerMs,
      keptMs: this.#keptUnendedMs,
    });
  }

  async put(record: ResultRecord): Promise<void> {
    await this.#writes.put(this.#write(record, isReady(record.status) ? 'ready' : 'unready'));
  }

  writeOf(record: ResultRecord, ...more: readonly ResultRecord[]): StoreWrite {
    const [first, ...others] = [record, ...more].map((each) =>
      this.#write(each, isReady(each.status) ? 'ready' : 'unready'),
    );
    return first === undefined || others.length === 0 ? (first as StoreWrite) : allOf(first, others);
  }

  writeOfSent(record: ResultRecord, elsewhere = false): StoreWrite {
    const kind = elsewhere ? 'sent-elsewhere' : 'sent';
    if (record.args !== undefined) return this.#write(record, kind);
    const { store, db } = this.#connection.settings;
    return new RedisRecordWrite(store, kind, db, this.#keyOf(record.taskId), sentRecord, this.#keptUnendedMs);
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    const key = this.#keyOf(id);
    const text = (await this.#reads.get(key)) ?? (await this.#reads.get(sentElsewhereKey(key)));
    return text === null ? undefined : this.#decode(id, text);
  }

  watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    const key = this.#keyOf(id);
    const source: RecordSource = {
      key,
      subscriptions: this.#subscriptions,
      closed: this.#closing,
      read: () => this.#reads.get(key),
      decode: (text) => this.#decode(id, text),
    };
    return watchRecord(source, signal);
  }

  async openLocks(): Promise<Locks> {
    const { RedisLocks } = await import('./redis-locks.ts');
    return new RedisLocks(this.#connection);
  }

  async openAudit(): Promise<AuditStore> {
    const { RedisAudit } = await import('./redis-audit.ts');
    return new RedisAudit(this.#connection);
  }

  async health(): Promise<readonly HealthFigure[]> {
    const { redisHealth } = await import('./redis-health.ts');
    return redisHealth(this.#connection);
  }

  async openPauses(): Promise<PauseStore> {
    const { RedisPauses } = await import('./redis-pauses.ts');
    return new RedisPauses(this.#connection);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openRedisLimits } = await import('./redis-limits.ts');
    return openRedisLimits(this.#connection.settings, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readRedisLimits } = await import('./redis-limit-report.ts');
    return readRedisLimits(this.#connection, reading);
  }

  async forget(id: string): Promise<boolean> {
    const key = this.#keyOf(id);
    const deleted = await repeat(this.#connection, performance.now() + this.#answerMs, (timeoutMs) =>
      this.#connection.call(['DEL', key, sentElsewhereKey(key)], { timeoutMs }),
    );
    return Number(deleted) > 0;
  }

  /** Nothing to do: the server deletes each record at its time. */
  async expire(): Promise<number> {
    return 0;
  }

  /** Ends the watches, and waits for writes under way for as long as the server may take to answer. */
  async close(): Promise<void> {
    if (this.#closing.isOver) return;
    this.#closing.end();
    await this.#writes.settled();
    await this.#subscriptions.release();
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #keyOf(id: string): string {
    return recordKey(this.#connection.settings.keyPrefix, id);
  }

  #write(record: ResultRecord, kind: RecordKind): RedisRecordWrite {
    const json = encodeResult(record);
    const { store, db } = this.#connection.settings;
    const ttlMs = kind === 'ready' ? this.#keptMs : this.#keptUnendedMs;
    return new RedisRecordWrite(store, kind, db, this.#keyOf(record.taskId), json, ttlMs);
  }

  /** @throws StoreError for text that is no record */
  #decode(id: string, text: string): ResultRecord {
    const decoded = decodeResult(text, { keptAs: id });
    if (decoded.ok && decoded.value.taskId === id) return decoded.value;
    const why = decoded.ok ? `it is of task ${decoded.value.taskId}` : decoded.refusal.detail;
    throw new StoreError(
      `the result of task ${id} at ${this.#connection.settings.shown} cannot be read: ${why}; ` +
        `a Python worker must keep results as JSON (result_serializer = 'json')`,
    );
  }
}
