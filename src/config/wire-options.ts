// The options of a call in a signature: Celery's names and values.
import { ConfigError } from '../errors.ts';
import { type Duration, toSeconds } from '../lib/duration.ts';
import type { Options } from '../lib/schema.ts';
import type { Json } from '../protocol/message.ts';
import { isMap } from '../protocol/refusal.ts';
import { parseTimestamp } from '../protocol/timestamp.ts';
import { type CallOptions, checkCallOptions, sendingOptions, travellingOptions } from './call-options.ts';
import type { SendableTask } from './sendable-task.ts';
import { snake } from './spelling.ts';

/** Options of a signature: the options of a call that can be stored as data. */
export type SignatureOptions = Omit<
  Options<typeof travellingOptions>,
  'rootId' | 'parentId' | 'groupId' | 'groupIndex'
>;

/**
 * Options under Celery's names. Durations become seconds.
 * @throws UnknownOptionError, ConfigError
 */
export function toWireOptions(name: string, options: CallOptions): Json {
  checkCallOptions(name, options);
  const wire: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || !Object.hasOwn(travellingOptions, option)) continue;
    wire[snake(option)] =
      durations.has(option) && !(value instanceof Date) ? toSeconds(value as Duration, option) : value; // checked above
  }
  return wire;
}

/** The options of a call that are not sent with it. */
export function sendingOptionsOf(options: CallOptions): Options<typeof sendingOptions> {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([option, value]) => value !== undefined && Object.hasOwn(sendingOptions, option),
    ),
  );
}

/**
 * Reads the options of a signature, ours or Python's. Unknown options concern kombu and are left out; null means that an option is not set.
 * @throws ConfigError for a value that is invalid.
 */
export function fromWireOptions(name: string, wire: Json): CallOptions {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(wire)) {
    const option = ourNames.get(key);
    if (option === undefined || value === null || value === undefined) continue;
    options[option] = key === 'eta' || key === 'expires' ? moment(value) : value;
  }
  if (isMap(options.queue) && typeof options.queue.name === 'string') options.queue = options.queue.name;
  if (options.countdown !== undefined && options.eta !== undefined) delete options.eta; // as in Celery, the countdown wins
  checkCallOptions(name, options);
  return options;
}

/** The stamps among a signature's options, in Celery's form: a list of their names, and each value under its name. */
export function stampsOf(wire: Json): {
  readonly stampedHeaders: readonly string[] | null;
  readonly stamps: Json;
} {
  const { stamped_headers: names } = wire;
  if (!Array.isArray(names)) return { stampedHeaders: null, stamps: {} };
  const stampedHeaders = names.filter((name): name is string => typeof name === 'string');
  return {
    stampedHeaders,
    stamps: Object.fromEntries(
      stampedHeaders.filter((name) => name in wire).map((name) => [name, wire[name]]),
    ),
  };
}

/**
 * The options of a task for its calls, to be stored in a signature: the program that sends the call may not know the task.
 */
export function optionsOfTask({ options }: Pick<SendableTask, 'options'>): Json {
  const { queue, priority, expires, sent } = options;
  return {
    ...(queue !== null && { queue }),
    ...(priority !== null && { priority }),
    ...(expires !== null && { expires }),
    ...(sent.timeLimit !== null && { time_limit: sent.timeLimit }),
    ...(sent.softTimeLimit !== null && { soft_time_limit: sent.softTimeLimit }),
  };
}

/** Reads a time: Celery 5.2 writes dates as text in JSON. */
function moment(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const date = parseTimestamp(value);
  if (date === undefined) throw new ConfigError(`'${value}' in the options of a signature is no time`);
  return date;
}

const durations: ReadonlySet<string> = new Set(['countdown', 'expires', 'timeLimit', 'softTimeLimit']);

const ourNames: ReadonlyMap<string, string> = new Map(
  Object.keys(travellingOptions).map((ours) => [snake(ours), ours]),
);
