// The guide's two programs, run side by side: the TypeScript one prints what its comments say.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, describe, expect, onTestFailed, onTestFinished, test, vi } from 'vitest';
import { settingNamed } from '../../src/config/celery-settings.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { PythonProcess } from './harness/python-process.ts';

const guide = readFileSync(join(root, 'docs/guide/python-and-typescript.md'), 'utf8');

function blocks(language: string): string[] {
  return [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, code = '']) => code,
  );
}

needs(describe, noRedis ?? noPython)('the guide to Python and TypeScript', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('its programs do together what it says', async () => {
    const redis = await RedisServerProcess.shared();
    const folder = mkdtempSync(join(tmpdir(), 'umbel-guide-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const here = (program: string): string =>
      program
        .replace('redis://localhost:6379/0', redis.url(0))
        .replace('redis://localhost:6379/1', redis.url(1));
    const [pricing = '', ...calls] = blocks('python');
    writeFileSync(join(folder, 'pricing.py'), here(pricing));
    const args = [
      '-m',
      'celery',
      '--workdir',
      folder,
      '-A',
      'pricing',
      'worker',
      '-Q',
      'pricing',
      '-P',
      'solo',
    ];
    await using python = new PythonProcess('the Python worker', args, { settings: {} });
    onTestFailed(() => console.error(python.log));

    const program = blocks('ts').join('\n');
    const promised = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
    expect(promised.length).toBeGreaterThanOrEqual(4);
    const file = join(folder, 'mail.ts');
    writeFileSync(
      file,
      here(program)
        .replace("'umbel'", `'${join(root, 'dist/index.js')}'`)
        .replace("'umbel/worker'", `'${join(root, 'dist/worker/worker.js')}'`)
        .replace("'zod'", `'${join(root, 'node_modules/zod/index.js')}'`),
    );
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
    });
    await import(file);
    expect(printed).toEqual(promised);

    // The other blocks of Python: calls that are to reach the queue, and settings that Celery has.
    const more = join(folder, 'more.py');
    writeFileSync(more, `${['from pricing import app', ...calls].join('\n')}\nprint("done")\n`);
    await using caller = new PythonProcess('the Python caller', [more], { settings: {} });
    expect(await caller.line()).toBe('done');
    expect(redis.cli('LLEN', 'mail')).toBe('3');
  });
});

describe('the guide for those who come from Celery', () => {
  const text = readFileSync(join(root, 'docs/guide/from-celery.md'), 'utf8');

  /** The settings in the first column of the table under a heading. */
  function settings(heading: string): string[] {
    const [, section = ''] = text.split(`\n## ${heading}\n`);
    const [table = ''] = section.split('\n## ');
    return table
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) =>
        [...(line.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, name = '']) => name),
      );
  }

  test('names settings that are there', () => {
    const names = settings('Settings');
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) expect(() => settingNamed(name, undefined), name).not.toThrow();
  });

  test('says of no setting that it is missing which is there', () => {
    const names = settings('Not here yet');
    expect(names.length).toBeGreaterThan(5);
    for (const name of names)
      expect(() => settingNamed(name, 1), name).toThrow(/not supported|not used|unknown/);
  });
});
