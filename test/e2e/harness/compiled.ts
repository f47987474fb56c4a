// What tests start as processes of their own, as JavaScript: one that must read TypeScript first takes three times as long to start, and
// hundreds do.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './built.ts';

/** Where the run's leader has put it; set by {@link compilePrograms}, inherited by the processes of the test files. */
const variable = 'UMBEL_TEST_PROGRAMS';

/** Compiles all that lies beside the tests, for all test files of a run. What they import of `src/` is the built package. */
export async function compilePrograms(): Promise<AsyncDisposable> {
  const folder = join('.umbel', `programs-${process.pid}`);
  const own = join(root, folder);
  const sources = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?<!\.test|\.d)\.ts$/.test(name))
    .map((name) => join('test', name));
  forgetKilledRuns();
  mkdirSync(own, { recursive: true });
  symlinkSync(join(root, 'build', 'src'), join(own, 'src'));
  await toJavaScript(sources, folder);
  process.env[variable] = folder;
  return {
    async [Symbol.asyncDispose]() {
      rmSync(own, { recursive: true, force: true });
    },
  };
}

/** A run that is killed deletes nothing. */
function forgetKilledRuns(): void {
  const names = existsSync(join(root, '.umbel')) ? readdirSync(join(root, '.umbel')) : [];
  for (const name of names) {
    const [, pid] = /^programs-(\d+)$/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(root, '.umbel', name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What Node is to be given to start this program (a path in the repository): the compiled one, or the source and who reads it. */
export function commandOf(file: string): readonly string[] {
  const folder = process.env[variable];
  const compiled = folder !== undefined && join(root, folder, file.replace(/\.ts$/, '.js'));
  if (!file.endsWith('.ts')) return [join(root, file)];
  if (compiled !== false && existsSync(compiled)) return [compiled];
  return ['--import', 'tsx', join(root, file)];
}

/** Only these files, and without a look at their types. Paths from the root of the repository. */
export async function toJavaScript(sources: readonly string[], folder: string): Promise<void> {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--ignoreConfig', '--noCheck', '--noResolve', '--skipLibCheck'];
  const form = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--verbatimModuleSyntax'];
  const where = ['--rewriteRelativeImportExtensions', '--rootDir', '.', '--outDir', folder];
  // One that is no TypeScript is written, too, and fails those that start it.
  await promisify(execFile)(process.execPath, [compiler, ...options, ...form, ...where, ...sources], {
    cwd: root,
  }).catch(() => undefined);
}
