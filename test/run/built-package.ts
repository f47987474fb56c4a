// Test files import the sources; what runs is the built package, as users have it. Node loads that itself, which takes a third of
// the time that vitest would need to compile the sources again for each file.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { Plugin } from 'vitest/config';

/** Resolves the entry points of the package to `dist/`, and `src/….ts` to the doors that lead there; test/run/global-setup.ts builds both. */
export function builtPackage(root: string): Plugin {
  const [sources, built] = ['src', 'build/src'].map((name) => resolve(root, name) + sep) as [string, string];
  const { exports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'));
  const entries: Record<string, { default: string }> = Object.fromEntries(
    Object.entries<{ default: string } | string>(exports).flatMap(([path, entry]) =>
      typeof entry === 'string' ? [] : [[path, { default: resolve(root, entry.default) }]],
    ),
  );
  return {
    name: 'built-package',
    enforce: 'pre',
    // Else Vitest would compile it once more, and it would be another package than the one that applications of tests import.
    config: () => ({ test: { server: { deps: { external: [/\/(?:dist|build)\/.*\.js$/] } } } }),
    resolveId(source, importer) {
      const entry = /^umbel(\/.*)?$/.exec(source);
      if (entry !== null) return { id: entries[`.${entry[1] ?? ''}`]?.default ?? source, external: true };
      if (importer === undefined || !source.startsWith('.')) return null;
      const path = resolve(dirname(importer), source);
      if (!path.startsWith(sources) || !path.endsWith('.ts')) return null;
      if (path.startsWith(join(sources, 'dashboard', 'web'))) return null; // for browsers; tests compile what they need of it
      return { id: `${built}${path.slice(sources.length, -'.ts'.length)}.js`, external: true };
    },
  };
}
