import { describe, expect, it } from 'vitest';
import { formatTimestamp, parseTimestamp } from '../../src/protocol/timestamp.ts';
import { fc } from '../lib/property.ts';

describe('times as text', () => {
  it('every time that Python knows comes back', () => {
    const time = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(time, (date) => {
        expect(formatTimestamp(date)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
        expect(parseTimestamp(formatTimestamp(date))).toEqual(date);
      }),
    );
  });

  it.each<[string, string]>([
    ['2026-11-21T02:09:38.406600+00:00', '2026-11-21T02:09:38.406Z'],
    ['2026-11-21T02:09:38Z', '2026-11-21T02:09:38Z'],
    ['2026-11-21T02:09:38z', '2026-11-21T02:09:38Z'],
    ['2026-11-21 02:09', '2026-11-21T02:09:00Z'],
    ['2026-11-21', '2026-11-21T00:00:00Z'],
    ['20261121T020938', '2026-11-21T02:09:38Z'],
    ['20261121T020938,5+0530', '2026-11-20T20:39:38.500Z'],
    ['2026-11-21T02:09:38-03', '2026-11-21T05:09:38Z'],
    ['2026-11-21T02:09:38+05:30:15', '2026-11-20T20:39:23Z'],
    ['0050-01-01T00:00:00', '0050-01-01T00:00:00Z'],
    ['2024-02-29T00:00:00', '2024-02-29T00:00:00Z'],
  ])('%s is read', (text, expected) => {
    expect(parseTimestamp(text)).toEqual(new Date(expected));
  });

  it.each([
    '',
    'soon',
    '2026',
    '2026-13-01',
    '2026-00-01',
    '2026-02-29',
    '2026-11-31',
    '0000-01-01',
    '2026-11-21T24:00',
    '2026-11-21T02:60',
    '2026-11-21T02:09:60',
    '2026-11-21T02',
    '2026-11-21Tx',
    '2026-11-21T02:09+24:00',
    '12026-11-21',
    ' 2026-11-21',
    '2026-11-21T02:09:38 +00:00',
    '9'.repeat(100_000),
    '2026-11-21T02:09:38.',
  ])('%j is not', (text) => {
    expect(parseTimestamp(text.slice(0, 100))).toBeUndefined();
    expect(parseTimestamp(text)).toBeUndefined();
  });

  it('a year that Python does not know, or an invalid date, is not written', () => {
    expect(() => formatTimestamp(new Date('+010000-01-01T00:00:00Z'))).toThrow(RangeError);
    expect(() => formatTimestamp(new Date('0000-12-31T23:59:59Z'))).toThrow(RangeError);
    expect(() => formatTimestamp(new Date(Number.NaN))).toThrow(/invalid Date/);
  });
});
