// The meaning of a PostgreSQL server's errors.
import { BrokerUnavailable, StoreError } from '../../../errors.ts';

/**
 * `again`: the error passes by itself. `refused`: it passes when somebody changes the server, the rights or the settings.
 * `fatal`: the statement can never succeed.
 */
type PostgresErrorKind = 'again' | 'refused' | 'fatal';

interface PostgresErrorRule {
  readonly kind: PostgresErrorKind;
  /** Text for users: the meaning and the remedy; '' when the server's message is enough. */
  readonly cure: string;
}

/** Rules by SQLSTATE, or by its class (the first two characters). The longer key wins. */
const rules: Readonly<Record<string, readonly [kind: PostgresErrorKind, cure: string]>> = {
  '08': ['again', 'the connection is lost'],
  '57P01': ['again', 'the server shuts down, or an administrator ended the connection'],
  '57P02': ['again', 'the server has crashed and comes back'],
  '57P03': ['again', 'the server starts or stops'],
  '57P05': ['again', 'the connection was idle for too long for the server'],
  '57014': ['again', 'the server cancelled the statement (statement_timeout?)'],
  '40': ['again', 'the server took back the transaction'],
  '55P03': ['again', 'another client holds one of our locks for long'],
  '53300': ['again', 'the server has no room for more connections: raise max_connections, or lower poolSize'],
  '53': ['again', 'the server lacks memory, disk or connections'],
  '58': ['again', 'the server cannot read or write its files'],
  '25P03': ['again', 'this process stopped in the middle of a transaction for too long'],
  '25006': ['again', 'the server is a standby or read-only: name the one that writes'],
  '28': ['refused', 'the server does not accept the user and password'],
  '3D000': ['refused', 'there is no such database: create it (createdb)'],
  '42501': ['refused', 'the user lacks a right: GRANT it, or let a user that has it start first'],
};

/** `code`: the SQLSTATE; undefined for an error that did not come from a server. */
export function classifyPostgresError(code: string | undefined): PostgresErrorRule {
  if (code === undefined) return { kind: 'again', cure: '' };
  const rule = rules[code] ?? rules[code.slice(0, 2)];
  return rule === undefined ? { kind: 'fatal', cure: '' } : { kind: rule[0], cure: rule[1] };
}

/** The SQLSTATE of a server's error; undefined for other errors. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** The error of a query that the server did not answer in time. */
export function noAnswer(): Error {
  return new Error('no answer in time');
}

/** The error for the caller. Nothing was done, or it is safe to repeat it. */
export function postgresRefusal(shown: string, error: unknown): BrokerUnavailable | StoreError {
  if (error instanceof BrokerUnavailable || error instanceof StoreError) return error;
  const code = sqlStateOf(error);
  const { kind, cure } = classifyPostgresError(code);
  const message = wordsOf(error);
  if (kind === 'fatal') return new StoreError(`${shown} refuses: ${message} (${code})`, { cause: error });
  if (code === undefined)
    return new BrokerUnavailable(`${shown} cannot be reached: ${message}`, { cause: error });
  return new BrokerUnavailable(`${shown} refuses: ${cure} (${message})`, { cause: error });
}

/** Text for users: why no connection of this process can reach the server; null: the server answers, but refuses this connection or is full. */
export function whyPostgresIsAway(error: unknown): string | null {
  const code = sqlStateOf(error);
  return code === undefined || code.startsWith('08') || code.startsWith('57P') ? wordsOf(error) : null;
}

/** A refused connection to a name with several addresses has no message, only a code. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
