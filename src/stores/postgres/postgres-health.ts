// The figures of a PostgreSQL server: its connections, and the size of the database.
import { figure, fullness, type HealthFigure } from '../store-health.ts';
import type { RunQuery } from './writes.ts';

/** @throws BrokerUnavailable */
export async function postgresHealth(ask: RunQuery, untilMs: number): Promise<readonly HealthFigure[]> {
  // Any user may count the connections of others; what they do is hidden.
  const sql = `SELECT pg_database_size(current_database()) AS size,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections') AS most`;
  const [row = {}] = await ask(sql, [], untilMs);
  const [connections, most] = [Number(row.connections), Number(row.most)];
  return [
    figure('connections', connections, 'number', {
      limit: most,
      level: fullness(connections, most),
      note: 'of all programs that use the server',
    }),
    figure('database', Number(row.size), 'bytes'),
  ];
}
