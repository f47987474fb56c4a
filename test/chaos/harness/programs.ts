// The programs under test as JavaScript: a worker that must read TypeScript first takes twice as long to start, and thousands do.
import { cpSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, root } from '../../e2e/harness/built.ts';
import { toJavaScript } from '../../e2e/harness/compiled.ts';

/** Of this process, when it has prepared them itself; tests have them from the leader of their run. */
let folder: string | null = null;

/**
 * Builds the package and the programs, into a folder of this run: a build meanwhile changes nothing under the feet of its processes.
 * Deleted when this process ends.
 */
export async function preparePrograms(): Promise<void> {
  await ensureBuilt();
  folder = join('.umbel', `chaos-${process.pid}`);
  const own = join(root, folder);
  process.on('exit', () => rmSync(own, { recursive: true, force: true }));
  // With its description beside it, the copy is what `umbel` means to the programs.
  for (const part of ['dist', 'build']) cpSync(join(root, part), join(own, part), { recursive: true });
  cpSync(join(root, 'package.json'), join(own, 'package.json'));
  symlinkSync(join('build', 'src'), join(own, 'src'));
  const programs = join('test', 'chaos', 'programs');
  const sources = readdirSync(join(root, programs)).filter((name) => name.endsWith('.ts'));
  const beside = join('test', 'e2e', 'harness', 'ledger.ts');
  await toJavaScript([...sources.map((name) => join(programs, name)), beside], folder);
}

export function programPath(name: 'worker' | 'sender' | 'future'): string {
  const script = join('test', 'chaos', 'programs', name);
  return folder === null ? `${script}.ts` : join(folder, `${script}.js`);
}
