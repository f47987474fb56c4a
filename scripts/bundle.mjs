// The package's JavaScript, bundled into few files, and a door to each file of src/ for the tests.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { build, buildSync } from 'esbuild';
import { grouping } from './chunks.mjs';
import { luaFile } from './lua-file.mjs';
import { root } from './setup.mjs';

const shared = {
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  write: false,
  // Else paths depend on where this is called.
  absWorkingDir: root,
};

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What a user installs beside the package; all else that it imports becomes part of it. */
const external = ['dependencies', 'peerDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {}));
/** With what a CommonJS package that has become part of ours has Node's own modules. */
const banner = 'var require = (name) => process.getBuiltinModule(name);';

/**
 * Everything that runs, by its path from the root of the repository.
 * @param sources the files of src/
 * @param entries what of dist/ has a name of its own; the rest is chunks
 * @param others files that were bundled elsewhere and become part of the package, too
 */
export async function javaScript(sources, entries, others) {
  const exported = await exportsOf(sources);
  const files = entries.map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'));
  const parts = [lua(), threads(), templates()];
  const common = { ...shared, bundle: true, splitting: true, outdir: root, external };
  const { plugin, besides, targets } = await grouping({ ...common, plugins: parts }, files);
  const rooms = groupBy(
    sources.filter((file) => !targets.has(`src/${file}`)),
    roomOf,
  );
  const { outputFiles, metafile } = await build({
    ...common,
    metafile: true,
    entryPoints: [
      ...files.map((file) => ({ in: file, out: file.replace(/^src(.*)\.ts$/, 'dist$1') })),
      ...[...rooms.keys()].map((room) => ({ in: `room:${room}`, out: `build/rooms/${room}` })),
    ],
    chunkNames: 'dist/chunks/[hash]',
    banner: { js: banner },
    sourcemap: 'linked',
    plugins: [plugin, ...parts, roomsOf(rooms, exported, besides)],
  });
  const texts = outputFiles.map(({ path, contents }) => [
    relative(root, path).split(sep).join('/'),
    contents,
  ]);
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([path, { entryPoint }]) => [entryPoint, path]),
  );
  for (const file of sources)
    texts.push([
      `build/src/${file.replace(/\.ts$/, '.js')}`,
      door(file, exported.get(file), outputs.get(`src/${file}`)),
    ]);
  texts.push(['dist/THIRD-PARTY.md', licences([...Object.keys(metafile.inputs), ...others])]);
  return texts;
}

/** Whose code has become part of ours, and on what terms. */
function licences(files) {
  const folders = new Set(
    files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
    const text =
      file === undefined
        ? ''
        : `\n\n\`\`\`text\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n\`\`\``;
    return `## ${name} ${version}${license === undefined ? '' : `\n\n${license}`}${text}\n`;
  });
  return `# Parts of other packages\n\nThe files of \`chunks/\` and \`dashboard/web/\` hold code of these packages.\n\n${parts.join('\n')}`;
}

/** The door to a file of src/, for tests: to its room, or to `output` if it has one of its own. */
function door(file, names, output) {
  if (names.length === 0) return 'export {};\n';
  const up = '../'.repeat(file.split('/').length);
  if (output !== undefined) return `export { ${names.join(', ')} } from '${up}../${output}';\n`;
  const list = names.map((name) => `${aliasOf(file, name)} as ${name}`).join(', ');
  return `export { ${list} } from '${up}rooms/${roomOf(file)}.js';\n`;
}

/** Its files load together when a test asks for one of them. */
function roomOf(file) {
  const folders = file.split('/').slice(0, -1);
  return folders.slice(0, folders[0] === 'stores' ? 2 : 1).join('-') || 'root';
}

const aliasOf = (file, name) => `${file.replaceAll(/\W/g, '_')}_${name}`;

/** Modules whose name begins with `NAME:`: made by `load` from the rest of it, which is a path if it begins with a dot. */
function scheme(name, load) {
  return {
    name,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${name}:`) }, ({ path, resolveDir }) => {
        const rest = path.slice(name.length + 1);
        return { path: rest.startsWith('.') ? join(resolveDir, rest) : rest, namespace: name };
      });
      build.onLoad({ filter: /.*/, namespace: name }, ({ path }) => load(path));
    },
  };
}

/** `room:NAME`: all that the files of a room export. */
function roomsOf(rooms, exported, besides) {
  const lineOf = (file) => {
    const list = exported.get(file).map((name) => `${name} as ${aliasOf(file, name)}`);
    return list.length === 0 ? '' : `export { ${list.join(', ')} } from './${file}';\n`;
  };
  return scheme('room', (name) => ({
    resolveDir: join(root, 'src'),
    contents: rooms.get(name).map(lineOf).join('') + besides(rooms.get(name).map((file) => `src/${file}`)),
  }));
}

/** The names of the values that each file exports. */
async function exportsOf(files) {
  const { metafile } = await build({
    ...shared,
    entryPoints: files.map((file) => `src/${file}`),
    outdir: root,
    outbase: 'src',
    metafile: true,
  });
  return new Map(
    Object.values(metafile.outputs).map(({ entryPoint, exports }) => [
      entryPoint.slice('src/'.length),
      exports,
    ]),
  );
}

/** `lua:FILE.lua`: a script for Redis; `lua:FOLDER`: texts of a folder that scripts include. */
function lua() {
  const texts = (folder) => {
    const files = readdirSync(folder).map((name) => luaFile(join(folder, name)));
    return Object.fromEntries(files.map(({ name, text }) => [name, text]));
  };
  return scheme('lua', (path) => {
    const value = path.endsWith('.lua') ? luaFile(path) : texts(path);
    return { contents: `export default ${JSON.stringify(value)};\n` };
  });
}

/** `thread:FILE`: a program that runs in a thread of its own, as text, with all that it imports. */
function threads() {
  return scheme('thread', (file) => {
    // As text it is not made smaller by a bundler of our users. The names stay, for stacks.
    const small = { minifySyntax: true, minifyWhitespace: true };
    const { outputFiles } = buildSync({
      ...shared,
      ...small,
      entryPoints: [file],
      bundle: true,
      format: 'cjs',
    });
    return { contents: outputFiles[0].text, loader: 'text' };
  });
}

/** What a project has of examples/service; the rest is for the clone. A folder: all of its files. */
const ofTemplate = [
  ...['package.json', 'tsconfig.json', 'tsconfig.build.json', 'start.mjs', 'README.md'],
  ...['.env.example', '.gitignore', '.dockerignore', 'Dockerfile', 'compose.yaml', 'src', 'test', 'deploy'],
];

/** `template:NAME`: the files of examples/NAME of which `umbel init` makes a project: texts by their paths. */
function templates() {
  return scheme('template', (name) => {
    const folder = join(root, 'examples', name);
    const files = ofTemplate.flatMap((path) =>
      statSync(join(folder, path)).isFile()
        ? [path]
        : readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')),
    );
    const texts = files.sort().map((path) => [path, readFileSync(join(folder, path), 'utf8')]);
    return { contents: JSON.stringify(Object.fromEntries(texts)), loader: 'json' };
  });
}

function groupBy(list, keyOf) {
  const groups = new Map();
  for (const each of list) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each]);
  return groups;
}
