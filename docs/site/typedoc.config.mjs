// The API reference: what the entry points of the package export, with their comments. `npm run docs` writes it into dist/api.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pathOf = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const { name, exports } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8'));

/** The source of each entry point, by the name with which it is imported: `umbel/worker`. */
const entries = Object.entries(exports).flatMap(([path, { types }]) =>
  types === undefined
    ? []
    : [[pathOf(types.replace('./dist', 'src').replace('.d.ts', '.ts')), path.replace('.', name)]],
);

/** Each module has the name with which it is imported, and not that of its file. */
function importedNames(app) {
  const names = new Map(entries);
  app.converter.on('resolveBegin', ({ project }) => {
    for (const module of project.children ?? []) {
      const [{ fullFileName } = {}] = module.sources ?? [];
      module.name = names.get(fullFileName) ?? module.name;
    }
  });
}

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'Umbel',
  plugin: [importedNames],
  entryPoints: entries.map(([file]) => file),
  tsconfig: pathOf('tsconfig.build.json'),
  out: fileURLToPath(new URL('dist/api', import.meta.url)),
  favicon: pathOf('src/dashboard/web/icon.svg'),
  readme: fileURLToPath(new URL('api.markdown', import.meta.url)),
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  skipErrorChecking: true, // `npm run check` does that, with the compiler of the package
  navigationLinks: { Guides: process.env.SITE_BASE ?? '/' },
  navigation: { includeFolders: false },
  searchInComments: true,
  validation: { notExported: false, invalidLink: true },
};
