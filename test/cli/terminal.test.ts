import { emitKeypressEvents, type Key } from 'node:readline';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { barLine } from '../../src/cli/progress-bar.ts';
import { keyOf } from '../../src/cli/terminal/screen.ts';
import { drawTable } from '../../src/cli/terminal/table.ts';
import { fitLine, fitRight, fitted, paint, plain, widthOf, wrap } from '../../src/cli/terminal/text.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { scaled, seed } from '../run/scale.ts';

fc.configureGlobal({ seed, numRuns: scaled(100, 2000) });

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '日本語のテキスト',
    '👩‍👩‍👧‍👦 family',
    'e\u0301',
    '\x1b[31mred\x1b[0m',
    'tab\tand\nline',
    '\u202eright to left',
  ),
);

test('text is cut or filled to exactly the cells that it may take, whatever it holds', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 0, max: 40 }), (text, width) => {
      expect(widthOf(fitted(text, width))).toBe(width);
      expect(widthOf(fitRight(text, width))).toBe(width);
    }),
  );
  expect(fitted('日本語', 5)).toBe('日本…');
  expect(fitted('日本語', 4)).toBe('日… ');
  expect(fitted('short', 8)).toBe('short   ');
  expect(fitRight('12', 4)).toBe('  12');
});

test('a line of several pieces is exactly as wide as the terminal, with colours or without', () => {
  const piece = fc.record({ text: anyText, tones: fc.constantFrom(['bold' as const], ['red' as const], []) });
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 1, max: 60 }), (spans, width) => {
      const line = fitLine(spans, width);
      expect(widthOf(plain(line))).toBe(width);
      expect(stripVTControlCharacters(paint(line, true))).toBe(plain(line));
    }),
  );
});

test('nothing that is shown can steer the terminal', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(fitted(text, 30)).not.toMatch(/\p{Cc}/u);
      for (const line of wrap(text, 20)) expect(line).not.toMatch(/\p{Cc}/u);
    }),
  );
});

test('long text is broken between words, into lines that fit', () => {
  expect(wrap('one two three four', 9)).toEqual(['one two', 'three', 'four']);
  expect(wrap('abcdefghijkl\n  indented', 5)).toEqual(['abcde', 'fghij', 'kl', '  ind', 'ented']);
  fc.assert(
    fc.property(anyText, fc.integer({ min: 2, max: 30 }), (text, width) => {
      for (const line of wrap(text, width))
        if (signsOf(line) > 1) expect(widthOf(line)).toBeLessThanOrEqual(width); // one sign alone may be wider
    }),
  );
});

function signsOf(line: string): number {
  return [...new Intl.Segmenter().segment(line)].length;
}

/** The keys of what was typed; `count`: as many are waited for, since a lone escape is known after a moment only. */
async function keysOf(typed: string, count: number): Promise<string[]> {
  const input = new PassThrough();
  const keys: string[] = [];
  const came = deferred<void>();
  emitKeypressEvents(input);
  input.on('keypress', (text: string | undefined, keypress: Key) => {
    const key = keyOf(text, keypress);
    if (key !== null) keys.push(key);
    if (keys.length === count) came.resolve();
  });
  input.end(typed);
  await came.promise;
  return keys;
}

test('keys are told apart, also when several were typed at once', async () => {
  expect(await keysOf('jK/ 1日', 6)).toEqual(['j', 'K', '/', ' ', '1', '日']);
  expect(await keysOf('\x1b[A\x1b[Bq', 3)).toEqual(['up', 'down', 'q']);
  expect(await keysOf('\x1bOA\x1b[5~\x1b[6~\x1b[H\x1b[F', 5)).toEqual([
    ...['up', 'pageup', 'pagedown', 'home', 'end'],
  ]);
  expect(await keysOf('\x03\x1a\r\x7f\t\x1b', 6)).toEqual([
    ...['ctrl-c', 'ctrl-z', 'enter', 'backspace', 'tab', 'escape'],
  ]);
  expect(await keysOf('\x1b[1;5C\x1bxq', 1)).toEqual(['q']); // keys that we do not know do nothing
});

test('a table is as wide as its cells, whose lines stand below each other', () => {
  const rows = [
    ['日本', 'one\ntwo'],
    ['x', '3'],
  ];
  expect(drawTable(['name', 'value'], rows, { width: null, colors: false }).split('\n')).toEqual([
    '┌──────┬───────┐',
    '│ name │ value │',
    '├──────┼───────┤',
    '│ 日本 │ one   │',
    '│      │ two   │',
    '│ x    │ 3     │',
    '└──────┴───────┘',
  ]);
  const colored = drawTable(['name', 'value'], rows, { width: null, colors: true });
  expect(colored).toContain('\x1b[1mname');
  expect(stripVTControlCharacters(colored)).toBe(
    drawTable(['name', 'value'], rows, { width: null, colors: false }),
  );
});

test('a progress bar says how far, how fast, and how long yet', () => {
  expect(barLine(0, 0, 'tasks', 0)).toBe('░░░░░░░░░░░░░░░░░░░░░░░░ 0% · 0/0 tasks · 0/s · - left');
  expect(barLine(5, 10, 'tasks', 500)).toBe('████████████░░░░░░░░░░░░ 50% · 5/10 tasks · 10/s · 0.5s left');
  expect(barLine(12, 10, 'tasks', 1000)).toBe(
    '████████████████████████ 100% · 12/12 tasks · 12/s · 0.0s left',
  );
});
