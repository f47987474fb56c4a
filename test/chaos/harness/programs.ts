// The programs under test as JavaScript: a worker that must read TypeScript first takes twice as long to start, and thousands do.
import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBuilt, root } from '../../e2e/harness/built.ts';

const folder = join('.umbel', `chaos-${process.pid}`);

/**
 * Builds the package and the programs, into a folder of this run: a build meanwhile changes nothing under the feet of its processes.
 * Deleted when this process ends.
 */
export async function preparePrograms(): Promise<void> {
  await ensureBuilt();
  const own = join(root, folder);
  process.on('exit', () => rmSync(own, { recursive: true, force: true }));
  // With its description beside it, the copy is what `umbel` means to the programs.
  cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(own, 'package.json'));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--ignoreConfig', '--noCheck', '--skipLibCheck', '--rewriteRelativeImportExtensions'];
  const form = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const where = ['--rootDir', '.', '--outDir', folder];
  const sources = ['worker', 'sender', 'future'].map((name) =>
    join('test', 'chaos', 'programs', `${name}.ts`),
  );
  await promisify(execFile)(process.execPath, [compiler, ...options, ...form, ...where, ...sources], {
    cwd: root,
  });
}

export function programPath(name: 'worker' | 'sender' | 'future'): string {
  return join(folder, 'test', 'chaos', 'programs', `${name}.js`);
}
