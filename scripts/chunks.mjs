// Which modules load together. esbuild puts two modules into one chunk only if the very same entries need both, and each `import()` is an
// entry: a worker loaded 150 files, and each file costs a quarter of a millisecond. So an entry that needs a part of a group imports all of
// it: then the same entries need all modules of the group.
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { build } from 'esbuild';
import { root } from './setup.mjs';

/** What nearly every program needs: all that an App loads at once, and small modules of several entries. */
const core = 'src/index.ts';
/** This entry loads parts of the core alone: it is used without an App. */
const withoutCore = 'src/protocol/protocol.ts';
/** Modules of a folder that are used together. */
const groupsOfFolders = [
  ['src/cli/', ['src/cli/run-command.ts']],
  ['src/stores/redis/', ['src/stores/redis/redis-transport.ts', 'src/stores/redis/redis-backend.ts']],
  ['src/stores/sqlite/', ['src/stores/sqlite/sqlite-transport.ts', 'src/stores/sqlite/sqlite-backend.ts']],
];
/** A module that is at most as large as this, with all that it needs beside the core, is small; bytes of TypeScript. */
const smallSize = 2_500;

/**
 * @param options esbuild's
 * @param entries paths of files in src/
 * @returns a plugin; `besides`: the lines that import the groups of which these files need parts; `targets`: the entries, with those of `import()`
 */
export async function grouping(options, entries) {
  const { metafile } = await build({ ...options, entryPoints: entries, metafile: true });
  const graph = graphOf(metafile.inputs);
  const targets = new Set([...entries, ...graph.targets]);
  const inCore = graph.neededBy([core]);
  const files = [core, ...smallOnes(graph, targets, inCore)];
  const groups = [{ files, modules: graph.neededBy(files) }];
  for (const [folder, files] of groupsOfFolders) {
    const modules = [...graph.neededBy(files)].filter((each) => each.startsWith(folder));
    groups.push({ files, modules: new Set(modules) });
  }
  const importsFor = (roots, among) => {
    const needed = [...graph.neededBy(roots)];
    return among
      .filter(({ modules }) => needed.some((each) => modules.has(each)))
      .flatMap(({ files }) => files.map((file) => `import ${JSON.stringify(join(root, file))};\n`))
      .join('');
  };
  const plugin = {
    name: 'grouping',
    setup(build) {
      build.onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
        const file = relative(root, path).split(sep).join('/');
        if (!targets.has(file) || file === withoutCore) return undefined;
        const others = groups.filter(({ modules }) => !modules.has(file));
        return { contents: `${readFileSync(path, 'utf8')}\n${importsFor([file], others)}`, loader: 'ts' };
      });
    },
  };
  return { plugin, targets, besides: (files) => importsFor(files, groups) };
}

/** @param inputs of esbuild's metafile */
function graphOf(inputs) {
  const edges = (kind) => (file) =>
    inputs[file].imports.flatMap((each) => (each.kind === kind && !each.external ? [each.path] : []));
  const next = edges('import-statement');
  return {
    targets: Object.keys(inputs).flatMap(edges('dynamic-import')),
    size: (file) => inputs[file].bytes,
    neededBy(files) {
      const seen = new Set();
      const open = [...files];
      for (let file = open.pop(); file !== undefined; file = open.pop()) {
        if (seen.has(file) || inputs[file] === undefined) continue;
        seen.add(file);
        open.push(...next(file));
      }
      return seen;
    },
  };
}

/** Small modules of our own that several entries need. */
function smallOnes(graph, targets, inCore) {
  const users = new Map();
  for (const target of targets)
    for (const file of graph.neededBy([target])) users.set(file, (users.get(file) ?? 0) + 1);
  return [...users.keys()].filter((file) => {
    if (inCore.has(file) || targets.has(file) || users.get(file) < 2) return false;
    const more = [...graph.neededBy([file])].filter((each) => !inCore.has(each));
    return (
      more.every((each) => each.startsWith('src/')) &&
      more.reduce((sum, each) => sum + graph.size(each), 0) <= smallSize
    );
  });
}
