// Reads the five fields of a crontab like Celery.
import { ConfigError } from '../errors.ts';

/** A field as a user writes it: a number, text like `'*\/15'`, `'1-5'`, `'mon,fri'`, or a list of them. */
export type CronField = number | string | readonly (number | string)[];

export type CronFieldName = 'minute' | 'hour' | 'dayOfWeek' | 'dayOfMonth' | 'monthOfYear';

interface FieldRule {
  readonly min: number;
  readonly max: number;
  /** The names' first three letters, for the values `min`, `min + 1` … */
  readonly names: readonly string[];
}

/** The limits and names of each field. */
const fieldRules: Readonly<Record<CronFieldName, FieldRule>> = {
  minute: { min: 0, max: 59, names: [] },
  hour: { min: 0, max: 23, names: [] },
  dayOfWeek: { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
  dayOfMonth: { min: 1, max: 31, names: [] },
  monthOfYear: {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
};

/**
 * The values of a field, in ascending order.
 * @throws ConfigError that names the field and the mistake.
 */
export function readField(name: CronFieldName, field: CronField): readonly number[] {
  const rule = fieldRules[name];
  const values = new Set<number>();
  const parts: readonly (number | string)[] = typeof field === 'object' ? field : [field];
  for (const part of parts) {
    if (typeof part === 'number') values.add(inRange(part, String(part), name, rule));
    else if (typeof part === 'string') {
      for (const text of part.split(',')) for (const value of readPart(text, name, rule)) values.add(value);
    } else throw wrong(name, String(part), 'it must be a number, text, or a list of them');
  }
  if (values.size === 0) throw wrong(name, String(field), 'it has no value');
  return [...values].sort((a, b) => a - b);
}

/** A field as text, from which `readField` reads the same values. */
export function fieldText(field: CronField): string {
  return typeof field === 'object' ? field.join(',') : String(field);
}

/** Reads `*`, `a` or `a-b`; `*` and `a-b` may have a step `/n`. A range may wrap around: `fri-mon`. Steps count from its start. */
function readPart(text: string, name: CronFieldName, rule: FieldRule): readonly number[] {
  const match = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(text.trim());
  if (match === null)
    throw wrong(name, text, "write '*', '5', '1-5', '*/15', '1-30/2', or several with commas");
  const [, star, from, to, every] = match;
  const step = every === undefined ? 1 : Number(every);
  if (step < 1) throw wrong(name, text, 'the step must be at least 1');
  if (star === undefined && to === undefined && every !== undefined)
    throw wrong(name, text, `a step needs a range, as in '${from}-${rule.max}/${every}' or '*/${every}'`);
  const low = star === undefined ? readValue(from ?? '', text, name, rule) : rule.min;
  if (star === undefined && to === undefined) return [low];
  const high = star === undefined ? readValue(to ?? '', text, name, rule) : rule.max;
  const size = rule.max - rule.min + 1;
  const length = high >= low ? high - low : high - low + size;
  const values: number[] = [];
  for (let n = 0; n <= length; n += step) values.push(((low - rule.min + n) % size) + rule.min);
  return values;
}

function readValue(word: string, text: string, name: CronFieldName, rule: FieldRule): number {
  if (/^\d+$/.test(word)) return inRange(Number(word), text, name, rule);
  // As in Celery, the first three letters count.
  const index = rule.names.indexOf(word.slice(0, 3).toLowerCase());
  if (index >= 0) return rule.min + index;
  const names = rule.names.length === 0 ? '' : ` or a name like '${rule.names[1]}'`;
  throw wrong(name, text, `'${word}' is not a number${names}`);
}

function inRange(value: number, text: string, name: CronFieldName, { min, max }: FieldRule): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const sunday = name === 'dayOfWeek' && value === 7 ? '; Sunday is 0, as in Celery' : '';
  throw wrong(name, text, `it must be from ${min} to ${max}${sunday}`);
}

function wrong(name: CronFieldName, text: string, why: string): ConfigError {
  return new ConfigError(`crontab: '${text}' is no ${shownNames[name]}: ${why}`);
}

const shownNames: Readonly<Record<CronFieldName, string>> = {
  minute: 'minute',
  hour: 'hour',
  dayOfWeek: 'day of the week',
  dayOfMonth: 'day of the month',
  monthOfYear: 'month',
};
