// The meaning of each error of a Redis server.
import { BrokerUnavailable, StoreError } from '../../../errors.ts';

/**
 * `retry`: it will pass. `reconnect`: this connection cannot be used (now). `rediscover`: this server is the wrong one (now).
 * `fatal`: it will not pass by itself: the command, the data or the rights are wrong.
 */
type RedisErrorKind = 'retry' | 'reconnect' | 'rediscover' | 'fatal';

interface RedisErrorRule {
  readonly kind: RedisErrorKind;
  /** What it means and what to do, for people. */
  readonly cure: string;
}

const noRight = 'the user has no right to do this (ACL)';

/** By the first word of the server's answer, or by its beginning. */
const rules: readonly (readonly [start: string, kind: RedisErrorKind, cure: string])[] = [
  ['OOM', 'retry', 'Redis is out of memory: raise maxmemory, or let workers drain it'],
  ['LOADING', 'reconnect', 'Redis is loading its data'],
  ['BUSY ', 'retry', 'Redis runs a long script of another client'],
  ['TRYAGAIN', 'retry', 'the slot is being moved'],
  ['MISCONF', 'retry', 'Redis cannot write its data to disk: see its log'],
  ['NOREPLICAS', 'retry', 'Redis has fewer replicas than min-replicas-to-write'],
  ['CLUSTERDOWN', 'retry', 'the cluster is down'],
  ['NOSCRIPT', 'retry', 'the script is sent again'],
  ['UNBLOCKED', 'retry', 'the wait was ended by the server'],
  ['EXECABORT', 'retry', 'the transaction was given up'],
  ['ERR max number of clients', 'reconnect', 'Redis has no room for more connections: raise maxclients'],
  ['NOAUTH', 'reconnect', 'Redis wants a password'],
  ['WRONGPASS', 'reconnect', 'Redis does not accept the user and password'],
  ['NOPERM', 'retry', noRight],
  ["ERR The user executing the script can't", 'retry', noRight],
  ['ERR ACL failure in script', 'retry', noRight],
  ['READONLY', 'rediscover', 'this server is a replica now'],
  ['MASTERDOWN', 'rediscover', 'this server is a replica that has lost its master'],
  ['MOVED', 'rediscover', 'the keys are on another server of the cluster'],
  ['ASK', 'rediscover', 'the keys are moving to another server of the cluster'],
  ['WRONGTYPE', 'fatal', 'one of our keys holds another type: which program writes there?'],
  ['CROSSSLOT', 'fatal', "a cluster needs all keys in one slot: set keyPrefix to something like '{umbel}:'"],
  [
    'ERR unknown command',
    'fatal',
    'this Redis is too old (6.2 or newer is needed), or the command is disabled',
  ],
];

export function classifyRedisError(message: string): RedisErrorRule {
  const rule = rules.find(([start]) => message.startsWith(start));
  if (rule !== undefined) return { kind: rule[1], cure: rule[2] };
  // The error of a script is wrapped: "ERR … script: … -OOM …", "@user_script: …".
  const inner = rules.find(([start]) =>
    new RegExp(`(?:^|[\\s-])${start.replace(/^ERR /, '').trim()}\\b`).test(message),
  );
  return inner === undefined ? { kind: 'fatal', cure: '' } : { kind: inner[1], cure: inner[2] };
}

/** Whether the server says that the user may not run a command, directly or within a script, in the words of several versions. */
export function isMissingRight(message: string): boolean {
  return classifyRedisError(message).cure === noRight;
}

/** Whether a command was refused because the server has no memory for it. */
export function isOutOfMemory(error: unknown): boolean {
  return (
    error instanceof BrokerUnavailable && error.cause instanceof Error && /^OOM\b/.test(error.cause.message)
  );
}

/** The error for a caller whose command was refused: nothing was done. */
export function refusal(shown: string, command: string, error: Error): BrokerUnavailable | StoreError {
  const { kind, cure } = classifyRedisError(error.message);
  const because = cure === '' ? error.message : `${cure} (${error.message})`;
  return kind === 'fatal'
    ? new StoreError(`${shown} refuses ${command}: ${because}`, { cause: error })
    : new BrokerUnavailable(`${shown} refuses: ${because}`, { cause: error });
}

/** The server that has the keys, if the answer names it. */
export function movedTo(message: string): { host: string; port: number } | null {
  const match = /(?:^|[\s-])(?:MOVED|ASK) \d+ (\S*):(\d+)/.exec(message);
  if (match === null) return null;
  return { host: (match[1] ?? '').replace(/^\[(.*)\]$/, '$1'), port: Number(match[2]) };
}
