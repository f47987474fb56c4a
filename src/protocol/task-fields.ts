// Checks the fields of a call: types, ranges and defaults.
import type { Decoded, Json, TaskMessage, WireMessage } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';
import { maxReprLength, reprArgs, saferepr } from './saferepr.ts';
import { parseTimestamp } from './timestamp.ts';

/** The call itself, which both protocols keep apart from its options. */
export type Call = Pick<TaskMessage, 'args' | 'kwargs' | 'embed' | 'headers'>;

/**
 * Makes a message from the fields that protocol 1 and 2 share. A wrong value of a field that affects the task is refused, and the refusal
 * names the field. Fields that are only shown (`lang`, `shadow`, `origin`, the reprs) are left out when they are not text.
 */
export function readTask(
  wire: WireMessage,
  fields: Json,
  call: Call,
  naiveTime: 'utc' | 'local',
): Decoded<TaskMessage> {
  const reader = new FieldReader(fields, naiveTime);
  const { properties } = wire;
  const task = reader.name('task') ?? reader.missing('task');
  const id = reader.name('id') ?? reader.missing('id');
  const [timeLimit, softTimeLimit] = reader.timeLimits();
  const message: TaskMessage = {
    id,
    task,
    args: call.args,
    kwargs: call.kwargs,
    embed: call.embed,
    lang: reader.shown('lang') ?? '',
    shadow: reader.shown('shadow'),
    eta: reader.time('eta'),
    expires: reader.time('expires'),
    group: reader.name('group'),
    groupIndex: reader.count('group_index'),
    retries: reader.count('retries') ?? 0,
    timeLimit,
    softTimeLimit,
    rootId: reader.name('root_id') ?? id,
    parentId: reader.name('parent_id'),
    argsrepr: reader.shown('argsrepr') ?? reprArgs(call.args),
    kwargsrepr: reader.shown('kwargsrepr') ?? saferepr(call.kwargs),
    origin: reader.shown('origin'),
    ignoreResult: reader.flag('ignore_result'),
    replacedTaskNesting: reader.count('replaced_task_nesting') ?? 0,
    stampedHeaders: reader.names('stamped_headers'),
    stamps: reader.map('stamps'),
    headers: call.headers,
    correlationId: properties.correlationId ?? id,
    replyTo: properties.replyTo ?? '',
    priority: properties.priority,
    persistent: properties.deliveryMode !== 1,
  };
  return reader.problem === undefined ? accept(message) : refuse('headers', reader.problem);
}

/** Longest name of a task and longest id, in characters. Longer ones would become huge keys in every store, and are an attack. */
const maxNameLength = 10_240;
/** The largest count of retries and the like. Larger numbers are mistakes, and not safe in every language. */
const maxCount = 1_000_000;
/** A thousand years, in seconds. */
const maxSeconds = 31_536_000_000;

/** Reads fields and remembers the first problem, which the caller checks once at the end instead of after each field. */
class FieldReader {
  problem: string | undefined;
  readonly #fields: Json;
  readonly #naiveTime: 'utc' | 'local';

  constructor(fields: Json, naiveTime: 'utc' | 'local') {
    this.#fields = fields;
    this.#naiveTime = naiveTime;
  }

  missing(field: string): string {
    this.#reject(field, 'is missing');
    return '';
  }

  /** A name or an id: text that is not empty. */
  name(field: string): string | null {
    const value = this.#fields[field] ?? null;
    if (value === null) return null;
    if (typeof value !== 'string') return this.#reject(field, `is ${kindOf(value)}, not text`);
    if (value === '') return null;
    if (value.length > maxNameLength)
      return this.#reject(field, `is longer than ${maxNameLength} characters`);
    // Half a surrogate pair has no UTF-8 form: a store would keep a different name.
    if (loneSurrogate.test(value)) return this.#reject(field, 'is not valid Unicode');
    return value;
  }

  shown(field: string): string | null {
    const value = this.#fields[field];
    if (typeof value !== 'string') return null;
    return value.length > 4 * maxReprLength ? `${value.slice(0, 4 * maxReprLength)}...` : value;
  }

  count(field: string): number | null {
    const value = this.#fields[field] ?? null;
    if (value === null) return null;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return this.#reject(
        field,
        `is ${typeof value === 'number' ? 'no integer' : kindOf(value)}, not a count`,
      );
    }
    return value >= 0 && value <= maxCount ? value : this.#reject(field, `is not between 0 and ${maxCount}`);
  }

  flag(field: string): boolean {
    const value = this.#fields[field] ?? false;
    if (typeof value !== 'boolean') this.#reject(field, `is ${kindOf(value)}, not true or false`);
    return value === true;
  }

  time(field: string): Date | null {
    const value = this.#fields[field] ?? null;
    if (value === null || value === '') return null; // Celery reads empty text as "no time"
    if (value instanceof Date) return value;
    if (typeof value !== 'string') return this.#reject(field, `is ${kindOf(value)}, not a time`);
    return parseTimestamp(value, this.#naiveTime) ?? this.#reject(field, 'is not an ISO 8601 time');
  }

  /** `[hard, soft]`. Like Celery, null, an empty list and 0 mean "no limit". */
  timeLimits(): [number | null, number | null] {
    const value = this.#fields.timelimit ?? null;
    if (value === null || (Array.isArray(value) && value.length === 0)) return [null, null];
    if (!Array.isArray(value) || value.length !== 2) {
      this.#reject(
        'timelimit',
        `is ${Array.isArray(value) ? `a list of ${value.length}` : kindOf(value)}, not [hard, soft]`,
      );
      return [null, null];
    }
    return [this.#seconds(value[0]), this.#seconds(value[1])];
  }

  names(field: string): readonly string[] | null {
    const value = this.#fields[field] ?? null;
    if (value === null) return null;
    if (!Array.isArray(value) || !value.every((name): name is string => typeof name === 'string')) {
      return this.#reject(field, 'is not a list of names');
    }
    return value;
  }

  map(field: string): Json {
    const value = this.#fields[field] ?? noStamps;
    if (isMap(value)) return value;
    this.#reject(field, `is ${kindOf(value)}, not a map`);
    return noStamps;
  }

  #seconds(value: unknown): number | null {
    if (value === null || value === undefined || value === 0) return null;
    if (typeof value !== 'number' || !(value > 0 && value <= maxSeconds)) {
      return this.#reject(
        'timelimit',
        `holds ${typeof value === 'number' ? 'a number out of range' : kindOf(value)}`,
      );
    }
    return value;
  }

  #reject(field: string, what: string): null {
    this.problem ??= `'${field}' ${what}`;
    return null;
  }
}

const noStamps: Json = Object.freeze({});
const loneSurrogate = /[\ud800-\udfff]/u;
