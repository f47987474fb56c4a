// The audit log in Redis: a sorted set of JSON texts by their numbers, which a counter gives.
import { isRecord } from '../../lib/narrow.ts';
import {
  type AuditEntry,
  type AuditRecord,
  type AuditStore,
  auditEntry,
  maxAudited,
} from '../audit-store.ts';
import type { RedisConnection } from './client/connection.ts';
import { reading } from './client/repeat.ts';
import type { RedisArgument } from './client/resp.ts';

/** The audit log in one database of a server. */
export class RedisAudit implements AuditStore {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** Each command may be repeated: a number is left out then, and no entry is there twice. */
  async add({ at, ...record }: AuditRecord): Promise<void> {
    const id = Number(await this.#ask(['INCR', `${this.#key}:last`]));
    const text = JSON.stringify({ id, at: at.getTime(), ...record });
    await this.#ask(['ZADD', this.#key, String(id), text]);
    await this.#ask(['ZREMRANGEBYRANK', this.#key, '0', String(-maxAudited - 1)]);
  }

  async list({ limit, before }: Parameters<AuditStore['list']>[0]): Promise<readonly AuditEntry[]> {
    const from = before === null ? '+inf' : `(${before}`;
    const reply = await this.#ask(['ZREVRANGEBYSCORE', this.#key, from, '-inf', 'LIMIT', '0', String(limit)]);
    const texts: readonly unknown[] = Array.isArray(reply) ? reply : [];
    return texts.flatMap((text) => entryOf(String(text)) ?? []);
  }

  get #key(): string {
    return `${this.#connection.settings.keyPrefix}umbel:audit`;
  }

  #ask(command: readonly RedisArgument[]): Promise<unknown> {
    return reading(this.#connection, (timeoutMs) => this.#connection.call(command, { timeoutMs }));
  }
}

/** Null: somebody has damaged it. */
function entryOf(text: string): AuditEntry | null {
  try {
    const read: unknown = JSON.parse(text);
    return isRecord(read) ? auditEntry(Number(read.id), Number(read.at), read) : null;
  } catch {
    return null;
  }
}
