import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { expect, test } from 'vitest';
import { ambiguousNames, rooms, unusedExports, violations } from './rules.ts';

function sourcesIn(folder: string): Map<string, string> {
  return new Map(filesIn(folder).map((file) => [file.split(sep).join('/'), readFileSync(file, 'utf8')]));
}

/** Not `recursive`: that follows links, and what is installed in an example links to this folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesIn(path);
    return /\.[cm]?[jt]sx?$/.test(path) ? [path] : [];
  });
}

const sources = new Map([...sourcesIn('src')].filter(([file]) => /\.tsx?$/.test(file)));

test('the rooms keep to what they may import', () => {
  expect(violations(sources)).toEqual([]);
});

test.each<[what: string, file: string, code: string, found: RegExp]>([
  ['a side effect', 'src/lib/x.ts', "import '../worker/worker.ts';", /lib -> worker/],
  ['double quotes', 'src/lib/x.ts', 'import { Worker } from "../worker/worker.ts";', /lib -> worker/],
  ['several lines', 'src/lib/x.ts', "import {\n  Worker,\n} from '../worker/worker.ts';", /lib -> worker/],
  ['a type', 'src/lib/x.ts', "import type { Worker } from '../worker/worker.ts';", /lib -> worker/],
  ['what comes later', 'src/lib/x.ts', "await import(\n  '../worker/worker.ts'\n);", /lib -> worker/],
  ['a thread', 'src/lib/x.ts', "new URL('../worker/worker.ts', import.meta.url);", /lib -> worker/],
  [
    'the server in the browser',
    'src/dashboard/web/ui/x.tsx',
    "import { pageRoutes } from '../../server/pages/routes.ts';",
    /x\.tsx loads src\/dashboard\/server\/pages\/routes\.ts: a browser gets types from the server, and no code/,
  ],
  [
    'a page in the server',
    'src/dashboard/server/x.ts',
    "import { duration } from '../web/format.ts';",
    /x\.ts loads src\/dashboard\/web\/format\.ts, which is for browsers/,
  ],
  ['a computed name', 'src/lib/x.ts', 'await import(name);', /computes what it imports/],
  ['CommonJS', 'src/lib/x.ts', "createRequire(import.meta.url)('pg');", /computes what it imports/],
  ['a driver', 'src/stores/redis/x.ts', "import { Client } from 'pg';", /imports pg/],
  [
    'the inside of a driver',
    'src/app/x.ts',
    "import { Client } from 'pg/lib/client';",
    /imports pg\/lib\/client/,
  ],
  [
    'another technology',
    'src/stores/redis/x.ts',
    "import { SqliteStore } from '../sqlite/sqlite.ts';",
    /only src\/stores\/registry\.ts/,
  ],
  [
    'a technology',
    'src/worker/x.ts',
    "import '../stores/sqlite/sqlite.ts';",
    /only src\/stores\/registry\.ts/,
  ],
  ['the door', 'src/worker/x.ts', "import { App } from '../index.ts';", /the package's own door/],
  ['a barrel', 'src/worker/x.ts', "export { Worker } from './worker.ts';", /x\.ts re-exports/],
  [
    'a barrel in disguise',
    'src/worker/x.ts',
    "import { Worker } from './worker.ts';\nexport { Worker };",
    /x\.ts re-exports/,
  ],
  ['Lua in a string', 'src/stores/redis/x.ts', "const x = `redis.call('PING')`;", /x\.ts holds a script/],
  [
    'a program in a string',
    'src/worker/x.ts',
    "new Worker('process.exit()', { eval: true });",
    /x\.ts runs a string/,
  ],
  [
    'a program of a thread that loads a package',
    'src/lib/x.thread.ts',
    "import pino from 'pino';",
    /x\.thread\.ts loads pino/,
  ],
  [
    'a program of a thread that is loaded elsewhere',
    'src/stores/redis/x.ts',
    "import './maintenance.thread.ts';",
    /which runs in a thread of its own/,
  ],
  [
    'a driver for everybody',
    'src/cli/main.ts',
    "import '../stores/redis/client/link.ts';",
    /main\.ts loads src\/stores\/redis\/client\/client\.ts at its start/,
  ],
  ['a room', 'src/attic/x.ts', 'export const x = 1;', /attic has no line/],
  ['itself', 'src/lib/x.ts', "import './x.ts';", /import each other: src\/lib\/x\.ts/],
])('a planted violation is found: %s', (_, file, code, found) => {
  expect(violations(new Map([...sources, [file, code]]))).toEqual([expect.stringMatching(found)]);
});

test('a planted circle is found, and no import of types makes one', () => {
  const a = "import { b } from './b.ts';";
  const plant = (b: string): string[] =>
    violations(new Map([...sources, ['src/lib/a.ts', a], ['src/lib/b.ts', b]]));
  expect(plant("import { a } from './a.ts';")).toEqual([
    'these import each other: src/lib/a.ts, src/lib/b.ts',
  ]);
  expect(plant("import { type A, type B } from './a.ts';")).toEqual([]);
  expect(plant("const { a } = await import('./a.ts');")).toEqual([]);
});

test('a permission that nobody needs is found', () => {
  const without = new Map([...sources].filter(([file]) => !file.startsWith('src/gateway/')));
  expect(violations(without)).toContain('nothing uses gateway -> stores');
});

test('ARCHITECTURE.md shows this table', () => {
  const lines = Object.entries(rooms).map(([room, others]) => `${room} -> ${others.join(' ') || '-'}\n`);
  expect(readFileSync('ARCHITECTURE.md', 'utf8')).toContain(`\`\`\`\n${lines.join('')}\`\`\``);
});

test('an exported name of a type or class means one thing', () => {
  expect(ambiguousNames(sources)).toEqual([]);
  const planted = new Map([...sources, ['src/lib/x.ts', 'export class Router {}']]);
  expect(ambiguousNames(planted)).toEqual(['Router is exported by src/config/router.ts and src/lib/x.ts']);
});

test('what a file exports is used by another one', () => {
  const others = new Map(
    ['test', 'bench', 'examples', 'scripts'].flatMap((folder) => [...sourcesIn(folder)]),
  );
  expect(unusedExports(sources, others)).toEqual([]);
  const name = ['planted', 'Export'].join(''); // this file speaks of it, too
  const planted = new Map([...sources, ['src/lib/x.ts', `export const ${name} = 1;`]]);
  expect(unusedExports(planted, others)).toEqual([`src/lib/x.ts exports ${name}, which nobody imports`]);
});
