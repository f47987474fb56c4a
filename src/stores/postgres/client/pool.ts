// Queries a PostgreSQL server over a few connections. Each query has a deadline, and is repeated when the connection is lost.
import { checkServerIdentity } from 'node:tls';
import type { ClientConfig, Pool, PoolClient } from 'pg';
import { BrokerUnavailable, UmbelError } from '../../../errors.ts';
import { systemClock } from '../../../lib/clock.ts';
import { startDeadline, withDeadline } from '../../../lib/deadline.ts';
import { retrying } from '../../../lib/retry.ts';
import { type Gate, gateTo } from '../../gate.ts';
import { classifyPostgresError, noAnswer, postgresRefusal, sqlStateOf, whyPostgresIsAway } from './errors.ts';
import type { PostgresSettings } from './settings.ts';

/** The value of a column. */
export type PostgresValue = string | number | boolean | null | Date | readonly (string | number | null)[];

/** Runs a query, in a transaction or alone. */
export type Ask = (
  sql: string,
  values?: readonly PostgresValue[],
) => Promise<readonly Record<string, unknown>[]>;

const retryPolicy = { factor: 20, maximum: 500, jitter: true } as const;
/** A connection that was idle for this time, milliseconds, is closed. */
const idleMs = 30_000;

export class PostgresPool implements AsyncDisposable {
  readonly settings: PostgresSettings;
  readonly #pool: Pool;
  readonly #gate: Gate;
  /** The calls that wait for a connection. */
  readonly #connecting = new Set<AbortController>();
  #closing: Promise<void> | null = null;

  private constructor(settings: PostgresSettings, pool: Pool) {
    this.settings = settings;
    this.#pool = pool;
    this.#gate = postgresGate(settings);
    // Idle connections may be lost: the next query gets another connection.
    pool.on('error', () => {});
    pool.on('connect', (client) => void client.on('error', () => {}));
  }

  /** Loads the driver. The first query connects. */
  static async open(settings: PostgresSettings): Promise<PostgresPool> {
    const { Pool } = await loadDriver();
    const pool = new Pool({
      ...clientConfig(settings),
      max: settings.poolSize,
      idleTimeoutMillis: idleMs,
      allowExitOnIdle: true,
    });
    return new PostgresPool(settings, pool);
  }

  /**
   * Runs a query that is safe to repeat. It is repeated when the connection is lost, and while the server starts, until `untilMs` (of
   * `performance.now()`).
   * @throws BrokerUnavailable: refused, or no answer in time; StoreError: the query can never succeed.
   */
  query(
    sql: string,
    values: readonly PostgresValue[],
    untilMs: number,
  ): Promise<readonly Record<string, unknown>[]> {
    return this.#repeat(untilMs, () => this.#withClient(untilMs, (ask) => ask(sql, values)));
  }

  /** Runs a transaction that is safe to repeat. Throws like {@link query}. */
  transaction<T>(untilMs: number, work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#repeat(untilMs, () =>
      this.#withClient(untilMs, async (ask) => {
        await ask('BEGIN');
        try {
          const value = await work(ask);
          await ask('COMMIT');
          return value;
        } catch (error) {
          // The loss of the connection rolls back, too.
          await ask('ROLLBACK').catch(() => {});
          throw error;
        }
      }),
    );
  }

  /** Waits for the queries under way, but not for a server that is away. */
  close(): Promise<void> {
    this.#closing ??= this.#pool.end();
    if (this.#gate.isShut) for (const each of this.#connecting) each.abort(this.#closed());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #repeat<T>(untilMs: number, once: () => Promise<T>): Promise<T> {
    const left = (): number => untilMs - performance.now();
    let lastError: unknown;
    const mayPass = (error: unknown): boolean => {
      // The server's last error is more helpful than "no connection was free".
      if (!(error instanceof NoneFree) || lastError === undefined) lastError = error;
      const passes =
        !(lastError instanceof UmbelError) && classifyPostgresError(sqlStateOf(lastError)).kind === 'again';
      return passes && left() > 0 && this.#closing === null;
    };
    try {
      return await retrying(once, { policy: retryPolicy, clock: systemClock, when: mayPass, leftMs: left });
    } catch {
      throw postgresRefusal(this.settings.shown, lastError);
    }
  }

  async #withClient<T>(untilMs: number, work: (ask: Ask) => Promise<T>): Promise<T> {
    const client = await this.#connect(untilMs);
    let isBroken = false;
    const ask: Ask = async (text, values = []) => {
      // Not the driver's own deadline: it ignores answers that arrived while this process was busy.
      const leftMs = Math.max(1, untilMs - performance.now());
      try {
        return (await withDeadline(leftMs, client.query(text, [...values]), noAnswer)).rows;
      } catch (error) {
        // Errors that did not come from the server are errors of the connection, or timeouts: the next query must not use this connection.
        const code = sqlStateOf(error);
        isBroken ||= code === undefined || /^(?:08|57P)/.test(code);
        throw error;
      }
    };
    try {
      return await work(ask);
    } finally {
      client.release(isBroken);
    }
  }

  async #connect(untilMs: number): Promise<PoolClient> {
    if (this.#closing !== null) throw this.#closed();
    const pool = this.#pool;
    const late = new AbortController();
    let why = 'no connection was free in time';
    const leftMs = Math.max(1, untilMs - performance.now());
    const end = startDeadline(leftMs, () => late.abort(new NoneFree(why)));
    const reach = (): Promise<PoolClient> => unlessLate(pool.connect(), late.signal);
    const report = (reason: string): void => {
      why = reason;
    };
    this.#connecting.add(late);
    try {
      // An idle connection, or one that will be free, needs no attempt to reach the server.
      const isFull = pool.totalCount >= this.settings.poolSize;
      if (pool.idleCount > 0 || (isFull && !this.#gate.isShut)) return await reach();
      const way = {
        reach,
        whyAway: whyPostgresIsAway,
        report,
        pause: (ms: number, signal: AbortSignal) => systemClock.sleep(ms, signal),
      };
      return await this.#gate.attempt(way, late.signal);
    } finally {
      end();
      this.#connecting.delete(late);
    }
  }

  #closed(): BrokerUnavailable {
    return new BrokerUnavailable(`the connection to ${this.settings.shown} is closed`);
  }
}

/** Returns a connection that comes too late to the pool. */
function unlessLate(connecting: Promise<PoolClient>, late: AbortSignal): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(late.reason);
    late.addEventListener('abort', giveUp, { once: true });
    connecting
      .then((client) => (late.aborted ? client.release() : resolve(client)), reject)
      .finally(() => late.removeEventListener('abort', giveUp));
  });
}

class NoneFree extends Error {}

/** The driver, loaded at first use. */
export async function loadDriver(): Promise<Pick<typeof import('pg'), 'Pool' | 'Client'>> {
  const driver = await import('pg');
  return driver.default;
}

/** The gate of all connections of this process to this server and user. */
export function postgresGate({ host, port, user, password, database, tls }: PostgresSettings): Gate {
  return gateTo('postgres', host, port, user, password, database, tls);
}

/** The settings in the driver's form. */
export function clientConfig(settings: PostgresSettings): ClientConfig {
  const { host, tls } = settings;
  return {
    host,
    port: settings.port,
    ...(settings.user !== null && { user: settings.user }),
    ...(settings.password !== null && { password: settings.password }),
    ...(settings.database !== null && { database: settings.database }),
    // Always set: otherwise the driver would read the environment, and check less.
    ssl:
      tls === null
        ? false
        : {
            rejectUnauthorized: tls.rejectUnauthorized,
            checkServerIdentity: (_, certificate) =>
              tls.checkHostname ? checkServerIdentity(host, certificate) : undefined,
            ...(tls.ca !== undefined && { ca: tls.ca }),
            ...(tls.cert !== undefined && { cert: tls.cert }),
            ...(tls.key !== undefined && { key: tls.key }),
          },
    keepAlive: true,
    application_name: settings.applicationName,
    connectionTimeoutMillis: settings.connectTimeoutMs,
  };
}
