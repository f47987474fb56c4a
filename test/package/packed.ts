// A project that has installed the package as npm publishes it, and nothing else that it does not bring.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../e2e/harness/built.ts';

/** Makes the project; returns its folder, and what deletes it. */
export function packedProject(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-packed-'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: root });
  const [tarball = ''] = readdirSync(folder);
  execFileSync('tar', ['-xzf', tarball], { cwd: folder });
  // npm would install the dependencies beside it.
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  cpSync(join(folder, 'package'), join(modules, 'umbel'), { recursive: true });
  for (const path of runtimePackages()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }) };
}

/** The folders of the packages that npm installs with ours. */
export function runtimePackages(): readonly string[] {
  const { packages }: { packages: Readonly<Record<string, { dev?: boolean; devOptional?: boolean }>> } =
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages).flatMap(([path, { dev, devOptional }]) =>
    path === '' || dev || devOptional || path.includes('/node_modules/') || !existsSync(join(root, path))
      ? []
      : [path],
  );
}

/** What users import: `umbel`, `umbel/worker`, … */
export const entries: readonly string[] = Object.keys(
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports as object,
)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => path.replace('.', 'umbel'));
