// Real processes run the built package, as users do: this makes sure that it is built from the sources as they are.
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** The root of the repository. */
export const root: string = fileURLToPath(new URL('../../..', import.meta.url));

const lock = join(root, 'node_modules', '.umbel-build-lock');

/** Builds what changed. Test files run side by side: one of them builds, the others wait. */
export async function ensureBuilt(): Promise<void> {
  // A build takes some seconds; a lock that is older was left by a run that was killed.
  for (let waitedMs = 0; waitedMs < longestBuildMs && !takeLock(); waitedMs += 100) await sleep(100);
  try {
    await promisify(execFile)(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root });
  } catch (error) {
    // The compiler says what it does not like on its standard output.
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`the package does not build:\n${said}`, { cause: error });
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** A module of `src/` as it was built, for programs that run without the bundler: what it embeds is in it. `path`: without its ending. */
export async function builtModule<T>(path: string): Promise<T> {
  return import(pathToFileURL(join(root, 'build', 'src', `${path}.js`)).href);
}

const longestBuildMs = 60_000;

function takeLock(): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false; // it is there already
  }
}
