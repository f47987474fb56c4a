// The scripts as files: each says what it takes, and is Lua.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RedisConnection } from '../../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { luaScript, luaSource } from '../../../src/stores/redis/scripts.ts';
import { root } from '../../e2e/harness/built.ts';
import { needs } from '../../needs.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { luaFile } from './lua-file.ts';

const folder = join(root, 'src/stores/redis/lua');
const files = readdirSync(folder).filter((name) => name.endsWith('.lua'));

test.each(files)('%s says at its top what each of its arguments is, and what it replies', (file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  const head = /^(?:--(?!-).*\n)+/.exec(text)?.[0] ?? '';
  expect(head).toMatch(/^-- Reply /m);
  for (const [, kind = '', number = ''] of text.slice(head.length).matchAll(/\b(KEYS|ARGV)\[(\d+)\]/g)) {
    const said = [...head.matchAll(/^-- (?:KEYS\[1\], )?(KEYS|ARGV)\[([\d,…]+)\]/gm)].some(
      ([, of, which = '']) => of === kind && isAmong(Number(number), which),
    );
    expect(said, `${kind}[${number}]`).toBe(true);
  }
});

/** `3`, `3,4`, `3…5`, `3…` */
function isAmong(number: number, which: string): boolean {
  const [, first, to, last] = /^(\d+)(?:([,…])(\d*))?$/.exec(which) ?? [];
  if (to === undefined) return number === Number(first);
  return number >= Number(first) && (last === '' || number <= Number(last));
}

test('what a script names and nobody has is refused', () => {
  expect(() => luaSource('return __nowhere__')).toThrow("'nowhere'");
  expect(() => luaSource('--- @include nothing\n')).toThrow("'nothing'");
});

needs(describe, noRedis)('on a server', () => {
  test('each script is Lua that the server knows by the same SHA-1', async () => {
    const server = await RedisServerProcess.shared();
    await using connection = await RedisConnection.open(redisSettings(server.url(), 'broker', {}));
    for (const script of files.map((file) => luaScript(luaFile(file))))
      expect(await connection.call(['SCRIPT', 'LOAD', script.source]), script.name).toBe(script.sha);
  });
});
