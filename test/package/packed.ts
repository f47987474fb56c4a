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

/** Something in a folder for temporary files. */
interface Made {
  /** Its folder. */
  readonly folder: string;
  readonly remove: () => void;
}

/** Packs the package; its file is alone in the folder. */
export function pack(): Made {
  const made = newFolder();
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', made.folder], {
    cwd: root,
  });
  return made;
}

/** Makes a project that has installed what was packed; the file lies in it, too. */
export function packedProject({ folder: from }: Made): Made {
  const made = newFolder();
  const { folder } = made;
  const [tarball = ''] = readdirSync(from);
  cpSync(join(from, tarball), join(folder, tarball));
  execFileSync('tar', ['-xzf', tarball], { cwd: folder });
  // npm would install the dependencies beside it.
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  cpSync(join(folder, 'package'), join(modules, 'umbel'), { recursive: true });
  for (const path of runtimePackages()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
  return made;
}

function newFolder(): Made {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-packed-'));
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
