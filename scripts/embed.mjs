// What runs elsewhere than in our own event loop is written in files of its own, and is part of the program as text, so that the sources,
// the package and a bundle run alike and need no file beside them. This makes TypeScript of those files, which is kept with the sources, so
// that the compiler has it on a fresh clone. Every build does it, too; by itself: `npm run embed`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, parse, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

embedLua(join(root, 'src', 'stores', 'redis', 'lua'));
for (const file of readdirSync(join(root, 'src'), { recursive: true }))
  if (file.endsWith('.thread.ts')) embedThread(join(root, 'src', file));

/** `lua-files.ts` beside the folder: the text of each script, and of what they include. */
function embedLua(folder) {
  const table = (name, type, files) => {
    const cells = files.map((file) => `  ${key(parse(file).name)}: ${literal(readLua(file))},\n`);
    return `export const ${name}: Readonly<Record<${type}, string>> = {\n${cells.join('')}};\n`;
  };
  const scripts = luaFiles(folder);
  const names = scripts.map((file) => `\n  | '${parse(file).name}'`).join('');
  write(
    join(dirname(folder), 'lua-files.ts'),
    `/** A file of ${relative(root, folder)}/. */\nexport type LuaName =${names};\n`,
    table('luaScripts', 'LuaName', scripts),
    `/** What the others include. */\n${table('luaIncludes', 'string', luaFiles(join(folder, 'include')))}`,
  );
}

/** `x.program.ts` for `x.thread.ts`: JavaScript, together with what it imports. */
function embedThread(file) {
  const { outputFiles } = buildSync({
    entryPoints: [file],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    // Else paths depend on where this is called.
    absWorkingDir: root,
  });
  const text = outputFiles[0].text.replaceAll(/^\/\/ src\/.*\n/gm, '');
  write(
    file.replace(/\.thread\.ts$/, '.program.ts'),
    `/** \`${parse(file).base}\` as a program of its own, for a thread. */\nexport const program: string = ${literal(text)};\n`,
  );
}

function luaFiles(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.lua'));
  return names.sort().map((name) => join(folder, name));
}

/** Without comments, which are for those who read the file. */
function readLua(file) {
  return readFileSync(file, 'utf8').replaceAll(/^\s*--(?!- @include ).*\n|^\n/gm, '');
}

function key(name) {
  return /^\w+$/.test(name) ? name : `'${name}'`;
}

/** As biome would write it. */
function literal(text) {
  return `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``;
}

function write(file, ...parts) {
  const text = [
    '// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.\n',
    ...parts,
  ].join('\n');
  let old = '';
  try {
    old = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (old !== text) writeFileSync(file, text);
}
