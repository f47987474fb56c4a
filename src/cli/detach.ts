// `-D`: the same command once more, apart from this terminal.
import { resolve } from 'node:path';
import { startInBackground } from './background.ts';
import { expandPath } from './log-file.ts';
import { NotStarted } from './usage.ts';

/** Before anything changes the folder. */
const folder = process.cwd();
const variable = 'UMBEL_DETACHED';

/** Whether this process is the one in the background. What it starts is not told so. */
export const isDetached: boolean = process.env[variable] !== undefined;
delete process.env[variable];

/** For a process that starts this one again in its place. */
export function detachedEnvironment(): Readonly<Record<string, string>> {
  return isDetached ? { [variable]: '1' } : {};
}

interface DetachChoices {
  readonly logfile?: string;
  readonly pidfile?: string;
}

/**
 * Starts this command line in the background, and says what came of it. Without names of their own, `%n.pid` and `%n.log` are its files, here.
 * @throws NotStarted with its last words
 */
export async function detach(
  node: string,
  { logfile = '%n.log', pidfile = '%n.pid' }: DetachChoices,
): Promise<{ readonly pid: number; readonly logfile: string; readonly pidfile: string }> {
  const files = {
    logfile: resolve(expandPath(logfile, node)),
    pidfile: resolve(expandPath(pidfile, node)),
  };
  const args = [
    ...process.execArgv,
    ...process.argv.slice(1),
    '--logfile',
    files.logfile,
    '--pidfile',
    files.pidfile,
  ];
  const started = await startInBackground({
    ...{ args, folder, env: { ...process.env, [variable]: '1' } },
    ...files,
  });
  if (started.pid === null) throw new NotStarted(node, started.exitCode, started.lastWords);
  return { pid: started.pid, ...files };
}
