// Times as text, as Python writes and reads them.

/**
 * Writes `2026-11-21T02:09:38.406000+00:00`. It always has 6 fraction digits, because Celery 5.2 reads them as a number of microseconds
 * (`.406` as 0.4 ms). It always has an offset, because Python's `fromisoformat` reads `Z` only from 3.11.
 * @throws RangeError for an invalid date, and for years that Python does not know (before 1, after 9999).
 */
export function formatTimestamp(date: Date): string {
  const ms = date.getTime();
  if (!(ms >= firstMs && ms <= lastMs)) {
    throw new RangeError(Number.isNaN(ms) ? 'an invalid Date' : 'a Date outside the years 1 to 9999');
  }
  if (ms !== lastWritten.ms) lastWritten = { ms, text: `${date.toISOString().slice(0, -1)}000+00:00` };
  return lastWritten.text;
}

/** The last text, since many records are written in one millisecond. */
let lastWritten = { ms: Number.NaN, text: '' };

/**
 * Reads ISO 8601 as leniently as Celery reads the headers `eta` and `expires`: extended or basic form, `Z` or an
 * offset, up to 9 fraction digits. A time without an offset is UTC, or this machine's local time with `naive: 'local'`.
 * Undefined for other text, and for dates that do not exist.
 */
export function parseTimestamp(text: string, naive: 'utc' | 'local' = 'utc'): Date | undefined {
  if (text.length > 64) return undefined;
  const match = isoTimestamp.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year = '',
    month = '',
    day = '',
    hour = '0',
    minute = '0',
    second = '0',
    fraction = '',
    offset = 'Z',
  ] = match;
  const time = new Date(0);
  time.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (Number(year) === 0 || time.getUTCMonth() !== Number(month) - 1 || time.getUTCDate() !== Number(day))
    return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'));
  if (offset === undefined && naive === 'local') {
    const local = new Date(0);
    local.setFullYear(Number(year), Number(month) - 1, Number(day));
    local.setHours(Number(hour), Number(minute), Number(second), ms);
    return local;
  }
  const offsetMs = parseOffset(offset ?? 'Z');
  if (offsetMs === undefined) return undefined;
  time.setUTCHours(Number(hour), Number(minute), Number(second), ms);
  return new Date(time.getTime() - offsetMs);
}

const firstMs = Date.parse('0001-01-01T00:00:00Z');
const lastMs = Date.parse('9999-12-31T23:59:59.999Z');

const isoTimestamp =
  /^(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?)?)?$/;

function parseOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'z') return 0;
  const digits = text.slice(1).replaceAll(':', '');
  const hours = Number(digits.slice(0, 2));
  const minutes = Number(digits.slice(2, 4));
  const seconds = Number(digits.slice(4, 6));
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const ms = (hours * 3600 + minutes * 60 + seconds) * 1000;
  return text.startsWith('-') ? -ms : ms;
}
