// Formats of log lines as Python writes them: `[%(asctime)s: %(levelname)s] %(message)s`.
import { ConfigError } from '../errors.ts';
import { suggest } from './suggest.ts';

/** The parts of a log line. */
interface LogRecord {
  readonly time: Date;
  /** `debug`, `info`, `warn`, `error`, `fatal`. */
  readonly level: string;
  readonly message: string;
  /** Set on lines of a task. */
  readonly taskId: string | null;
  readonly taskName: string | null;
}

type FormatRecord = (record: LogRecord) => string;

/** Celery's own formats. */
export const celeryLogFormat = '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s';
export const celeryTaskLogFormat =
  '[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s';

/** `what`: the setting. @throws ConfigError for text that is no format, and for a name that has no meaning here */
export function logFormatter(format: string, what: string): FormatRecord {
  const parts: (string | FormatRecord)[] = [];
  let end = 0;
  for (const match of format.matchAll(placeholder)) {
    const [whole, name, flags = '', width = '0', precision, kind = ''] = match;
    parts.push(textBetween(format.slice(end, match.index), what));
    end = match.index + whole.length;
    if (whole === '%%') parts.push('%');
    else parts.push(fieldNamed(String(name), what, { flags, width: Number(width), precision, kind }));
  }
  parts.push(textBetween(format.slice(end), what));
  return (record) => parts.map((part) => (typeof part === 'string' ? part : part(record))).join('');
}

const placeholder = /%%|%\((\w*)\)([-+ 0#]*)(\d*)(?:\.(\d+))?([sdif])/g;

interface Conversion {
  readonly flags: string;
  readonly width: number;
  readonly precision: string | undefined;
  readonly kind: string;
}

const levels: Readonly<Record<string, readonly [name: string, number: number]>> = {
  trace: ['DEBUG', 10],
  debug: ['DEBUG', 10],
  info: ['INFO', 20],
  warn: ['WARNING', 30],
  error: ['ERROR', 40],
  fatal: ['CRITICAL', 50],
};

const fields: Readonly<Record<string, (record: LogRecord) => string | number>> = {
  asctime: ({ time }) => localTime(time, ','),
  created: ({ time }) => time.getTime() / 1000,
  msecs: ({ time }) => time.getMilliseconds(),
  levelname: ({ level }) => levels[level]?.[0] ?? level.toUpperCase(),
  levelno: ({ level }) => levels[level]?.[1] ?? 0,
  message: ({ message }) => message,
  name: ({ taskId }) => (taskId === null ? 'umbel' : 'umbel.task'),
  process: () => process.pid,
  processName: () => 'MainProcess',
  task_id: ({ taskId }) => taskId ?? '???', // as in Celery
  task_name: ({ taskName }) => taskName ?? '???',
};

function fieldNamed(name: string, what: string, conversion: Conversion): FormatRecord {
  const read = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (read === undefined) {
    const near = suggest(name, Object.keys(fields));
    throw new ConfigError(
      `${what}: '%(${name})s' is not known here${near ? `; did you mean '%(${near})s'?` : ''}; there are ${Object.keys(fields).join(', ')}`,
    );
  }
  return (record) => converted(read(record), conversion);
}

function textBetween(text: string, what: string): string {
  if (!text.includes('%')) return text;
  throw new ConfigError(
    `${what}: a '%' that begins no field, near '${text.slice(text.indexOf('%')).slice(0, 20)}'; a field is one like '%(message)s', and '%%' a percent sign`,
  );
}

function converted(value: string | number, { flags, width, precision, kind }: Conversion): string {
  const text =
    typeof value === 'string' || kind === 's'
      ? String(value).slice(0, precision === undefined ? undefined : Number(precision))
      : kind === 'f'
        ? value.toFixed(Number(precision ?? 6))
        : String(Math.trunc(value));
  if (flags.includes('-')) return text.padEnd(width);
  return text.padStart(width, flags.includes('0') && kind !== 's' ? '0' : ' ');
}

/** `2026-11-22 17:24:05.123`; with a comma as Python's `asctime`. */
export function localTime(time: Date, point: '.' | ',' = '.'): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${day} ${clock}${point}${String(time.getMilliseconds()).padStart(3, '0')}`;
}
