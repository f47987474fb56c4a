// `-D`: starts the same command in the background.
import { resolve } from 'node:path';
import { startInBackground } from './background.ts';
import { expandPath } from './log-file.ts';
import { NotStarted } from './usage.ts';

/** The folder at the start, before `--workdir` changes it. */
const folder = process.cwd();
const variable = 'UMBEL_DETACHED';

/** Whether this is the background process. Its children do not inherit the variable. */
export const isDetached: boolean = process.env[variable] !== undefined;
delete process.env[variable];

/** The variables for a process that replaces this one after SIGHUP. */
export function detachedEnvironment(): Readonly<Record<string, string>> {
  return isDetached ? { [variable]: '1' } : {};
}

interface DetachChoices {
  readonly logfile?: string;
  readonly pidfile?: string;
}

/**
 * Starts this command line in the background, and reports whether it started. The default files are `%n.pid` and `%n.log` in the current folder.
 * @throws NotStarted with the last lines of its output
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
