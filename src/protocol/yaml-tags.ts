// PyYAML's rules for plain words of YAML that are not text. They differ from the library's YAML 1.1: `n` and `1e3` are text in Python.
import type { ScalarTag } from 'yaml';
import { parseTimestamp } from './timestamp.ts';
import { PlainDate } from './values.ts';

/** The tags that PyYAML's safe loader reads, besides text, lists and maps. Every other tag is refused. */
export const pyYamlTags: ScalarTag[] = [
  scalar('null', /^(?:~|null|Null|NULL|)$/, () => null),
  scalar('bool', /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/, (text) =>
    /^(?:yes|true|on)$/i.test(text),
  ),
  scalar(
    'int',
    /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/,
    readInteger,
  ),
  scalar(
    'float',
    /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    readFloat,
  ),
  scalar(
    'timestamp',
    /^(?:\d{4}-\d\d-\d\d|\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|[ \t]+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d{1,2}(?::\d\d)?))?)$/,
    readTime,
  ),
  {
    tag: 'tag:yaml.org,2002:binary',
    default: false,
    resolve: (text) => new Uint8Array(Buffer.from(text, 'base64')),
  },
];

/** Most digits of one integer that Python reads. */
const maxDigits = 4_300;

function scalar(name: string, test: RegExp, read: (text: string) => unknown): ScalarTag {
  return {
    tag: `tag:yaml.org,2002:${name}`,
    default: true,
    test,
    resolve(text, onError) {
      // Tested again, since an explicit tag (`!!int x`) comes here without a test.
      const value = test.test(text) ? read(text) : undefined;
      if (value === undefined) onError(`not a ${name}`);
      return value;
    },
  };
}

function readInteger(text: string): number | bigint | undefined {
  const digits = text.replace(/[_+-]/g, '');
  if (digits.length > maxDigits || digits === '') return undefined;
  const size = digits.includes(':') ? base60(digits.split(':')) : BigInt(octal(digits));
  const value = text.startsWith('-') ? -size : size;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function octal(digits: string): string {
  return /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
}

function base60(parts: readonly string[]): bigint {
  return parts.reduce((sum, part) => sum * 60n + BigInt(part), 0n);
}

function readFloat(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text
    .replace(/[_+-]/g, (character, at: number) => (/[eE]/.test(text[at - 1] ?? '') ? character : ''))
    .toLowerCase();
  if (digits === '.inf') return sign * Number.POSITIVE_INFINITY;
  if (digits === '.nan') return Number.NaN;
  return sign * digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

function readTime(text: string): Date | PlainDate | undefined {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) {
    try {
      return new PlainDate(text);
    } catch {
      return undefined; // not a day of the calendar
    }
  }
  const [, year, month = '', day = '', hour = '', clock, fraction = '', zone = ''] =
    /^(\d{4})-(\d+)-(\d+)[Tt \t]+(\d+)(:\d\d:\d\d)\.?(\d*)[ \t]*(.*)$/.exec(text) ?? [];
  const offset = zone.replace(/^([-+])(\d)(?!\d)/, '$10$2');
  const two = (part: string): string => part.padStart(2, '0');
  return parseTimestamp(
    `${year}-${two(month)}-${two(day)}T${two(hour)}${clock}${fraction ? `.${fraction.slice(0, 9)}` : ''}${offset}`,
  );
}
