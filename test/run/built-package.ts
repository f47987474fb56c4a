// Test files import the sources; what runs is the built package, as users have it. Node loads that itself, which takes a third of
// the time that vitest would need to compile the sources again for each file.
import { dirname, resolve, sep } from 'node:path';
import type { Plugin } from 'vitest/config';

/** Resolves `src/….ts` to what the compiler made of it in `dist/`; test/run/global-setup.ts builds it. */
export function builtPackage(root: string): Plugin {
  const [sources, built] = ['src', 'dist'].map((name) => resolve(root, name) + sep) as [string, string];
  return {
    name: 'built-package',
    enforce: 'pre',
    // Else Vitest would compile it once more, and it would be another package than the one that applications of tests import.
    config: () => ({ test: { server: { deps: { external: [/\/dist\/.*\.js$/] } } } }),
    resolveId(source, importer) {
      if (importer === undefined || !source.startsWith('.')) return null;
      const path = resolve(dirname(importer), source);
      if (!path.startsWith(sources) || !path.endsWith('.ts')) return null;
      return { id: `${built}${path.slice(sources.length, -'.ts'.length)}.js`, external: true };
    },
  };
}
