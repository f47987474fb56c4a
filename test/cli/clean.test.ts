// What strangers wrote reaches a terminal or a log as text: it sets no title, clears no screen, moves no cursor, forges no line.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLogger } from '../../src/cli/logging.ts';
import { clean, cleanJson, cleanLines, cleanStyled, cleanTexts } from '../../src/cli/terminal/clean.ts';
import { project, umbel, workerOf } from './harness.ts';

const esc = '\u001b';
const evil = `a${esc}]0;pwned\u0007${esc}[2J\u009b31m\rb\u202ec`;
/** All but what is text. */
const steering = /[^\n\x20-\x7e\u00a0-\u2027\u202f-\u2065\u2070-\uffff]/;

test('control characters are shown, not obeyed; text stays as it is', () => {
  expect(clean(`${evil}\nd`)).toBe(String.raw`a\x1b]0;pwned\x07\x1b[2J\x9b31m\x0db\u202ec\x0ad`);
  expect(cleanLines('a\r\nb\rc\td\ne')).toBe('a\nb\\x0dc\td\ne');
  expect(clean('Grüße 👩‍👩‍👧 日本')).toBe('Grüße 👩‍👩‍👧 日本');
  expect(cleanStyled(`${esc}[1mbold${esc}[22m ${esc}[8mhidden${esc}[2A`)).toBe(
    `${esc}[1mbold${esc}[22m \\x1b[8mhidden\\x1b[2A`,
  );
});

test('JSON keeps its value', () => {
  const value = { evil, lines: 'a\r\nb', path: 'C:\\new\\u001b' };
  expect(cleanJson(JSON.stringify(value))).not.toMatch(steering);
  expect(JSON.parse(cleanJson(JSON.stringify(value)))).toEqual(value);
  expect(JSON.parse(cleanTexts(JSON.stringify(value)))).toEqual({
    evil: clean(evil),
    lines: 'a\nb',
    path: 'C:\\new\\u001b',
  });
});

test.each(['pretty', 'json'] as const)('a log as %s has a line for each event', async (format) => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'log');
  // It looks now and then whether the file is still there, and would make it once more when the folder is gone.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const log = await createLogger({ level: 'info', format, color: false, file });
  const forged = `${evil}\r\n[2030-01-01 00:00:00.000] INFO: all is well`;
  log.error({ err: new Error(forged), task_id: forged }, `failed: ${forged}`);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toMatch(steering);
  expect(text.match(/^\S.*$/gm)?.filter((line) => /^\[2030/.test(line))).toEqual([]);
  expect(text).toContain('all is well');
});

test('commands show ids, errors, values and answers of strangers as text', async () => {
  const folder = project({
    'app.js': `import { App } from 'umbel';
export const app = new App('shop');
const evil = ${JSON.stringify(evil)};
app.task('shop.evil', () => evil);
app.task('shop.fail', () => { throw new TypeError(evil); });
app.command('evil', () => ({ ok: [evil, { [evil]: evil }] }));
`,
  });
  const env = { FORCE_COLOR: '1', NO_COLOR: '' };
  await workerOf(folder, { name: 'celery@here' });
  for (const args of [
    ['call', 'shop.evil', '--wait', '60'],
    ['call', 'shop.fail', '--wait', '60', '--debug'],
    ['call', 'shop.fail', '--wait', '60', '--json'],
    ['call', 'shop.evil', '--task-id', evil],
    ['result', `${evil}2`],
    ['inspect', 'evil', '-t', '60', '-d', 'celery@here'],
    ['inspect', 'evil', '-t', '60', '-d', 'celery@here', '--json'],
    ['call', evil],
  ]) {
    const { stdout, stderr } = await umbel(folder, ['-A', './app.js', ...args], { env });
    const unstyled = (stdout + stderr).replaceAll(new RegExp(`${esc}\\[\\d+m`, 'g'), '');
    expect(unstyled, args.join(' ')).not.toMatch(steering);
    expect(unstyled, args.join(' ')).toMatch(/pwned|No answer|no nodes/);
  }
});
