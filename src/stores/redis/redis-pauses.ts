// Pauses in Redis: a hash, whose fields are `queue <name>` and `task <name>`.
import { isRecord } from '../../lib/narrow.ts';
import { byName, type Pause, type PauseStore } from '../pauses.ts';
import type { RedisConnection } from './client/connection.ts';
import { reading } from './client/repeat.ts';
import type { RedisArgument } from './client/resp.ts';

/** The pauses in one database of a server. */
export class RedisPauses implements PauseStore {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async put({ kind, name, since, by, reason }: Pause): Promise<void> {
    const known = about(await this.#ask(['HGET', this.#key, `${kind} ${name}`]));
    const value = JSON.stringify({ since: known?.since ?? since.getTime(), by, reason });
    await this.#ask(['HSET', this.#key, `${kind} ${name}`, value]);
  }

  async remove(kind: Pause['kind'], name: string): Promise<void> {
    await this.#ask(['HDEL', this.#key, `${kind} ${name}`]);
  }

  async read(): Promise<readonly Pause[]> {
    const reply = await this.#ask(['HGETALL', this.#key]);
    const cells: readonly unknown[] =
      reply instanceof Map ? [...reply].flat() : Array.isArray(reply) ? reply : [];
    const found: Pause[] = [];
    for (let at = 0; at + 1 < cells.length; at += 2) {
      const [, kind, name] = /^(queue|task) (.*)$/s.exec(String(cells[at])) ?? [];
      // Damaged text still says that it is paused.
      const { since, by, reason } = about(cells[at + 1]) ?? { since: 0, by: '?', reason: '' };
      if (name !== undefined)
        found.push({ kind: kind === 'queue' ? 'queue' : 'task', name, since: new Date(since), by, reason });
    }
    return found.sort(byName);
  }

  get #key(): string {
    return `${this.#connection.settings.keyPrefix}umbel:pauses`;
  }

  #ask(command: readonly RedisArgument[]): Promise<unknown> {
    return reading(this.#connection, (timeoutMs) => this.#connection.call(command, { timeoutMs }));
  }
}

function about(
  text: unknown,
): { readonly since: number; readonly by: string; readonly reason: string } | null {
  try {
    const read: unknown = JSON.parse(String(text));
    if (!isRecord(read) || typeof read.since !== 'number') return null;
    return { since: read.since, by: String(read.by ?? ''), reason: String(read.reason ?? '') };
  } catch {
    return null;
  }
}
