import { Command, InvalidArgumentError } from 'commander';
import { type Duration, toMs } from '../../lib/duration.ts';
import { workerOptions } from '../../worker/options.ts';
import { type CommonOptions, optionsOf, requireApp } from '../common.ts';
import { ourNames } from '../dev/log.ts';
import type { OwnProgram } from '../dev/programs.ts';
import { optionsOfFlags, withFlags } from '../flags.ts';
import { logLevel } from '../logging.ts';
import { duration, port, queueList } from '../values.ts';

interface DevOptions extends CommonOptions {
  readonly port?: number;
  readonly dashboardPort?: number;
  readonly gateway: boolean;
  readonly dashboard: boolean;
  readonly beat: boolean;
  readonly queues?: readonly string[];
  readonly loglevel?: string;
  readonly run?: readonly OwnProgram[];
  readonly grace: Duration;
  readonly watch: boolean;
  readonly watchPath?: readonly string[];
  readonly ignore?: readonly string[];
}

const { concurrency, pool } = workerOptions;
const flags = { concurrency, pool };

/** `umbel dev`: all programs of an application in one terminal, which start again when the code changes. */
export function devCommand(): Command {
  const command = new Command('dev')
    .description(
      'Run worker, beat, gateway and dashboard in one terminal, and start them again when the code changes.',
    )
    .option('--port <number>', 'The port of the gateway (or PORT); default 8000, or the next free one.', port)
    .option(
      '--dashboard-port <number>',
      'The port of the dashboard; default 5555, or the next free one.',
      port,
    )
    .option('--no-gateway', 'Without the gateway.')
    .option('--no-dashboard', 'Without the dashboard, and so without a history of tasks.')
    .option('--no-beat', 'Without the beat: nothing is sent on schedules.')
    .option('-Q, --queues <a,b>', 'The queues of the worker, as of umbel worker.', queueList);
  withFlags(command, flags);
  return command
    .option(
      '-l, --loglevel <level>',
      'debug, info, warning, error or critical; default: info, and warning for gateway and dashboard.',
      checkedLevel,
    )
    .option(
      '--run <name=command>',
      'A program of yours that runs beside them, by the shell: web=node server.js; may be repeated.',
      ownProgram,
    )
    .option(
      '--grace <duration>',
      'Before the worker starts again, running tasks have this time to finish; then they are returned to the queue.',
      duration,
      5,
    )
    .option(
      '--watch-path <folders>',
      'Watch these folders, separated by commas, instead of the project of the App; may be repeated.',
      collect,
    )
    .option('--no-watch', 'Do not start again when the code changes.')
    .option(
      '--ignore <paths>',
      'Do not watch these files and folders, separated by commas; may be repeated.',
      collect,
    )
    .addHelpText(
      'after',
      `
Watched are the TypeScript, JavaScript and JSON files of the project (the nearest folder with a package.json), and .env;
not node_modules, dist, build, out, coverage, tmp, and what begins with a dot.

Examples:
  umbel dev
  umbel -A ./src/app.ts dev -c 4 --port 8001
  umbel dev --no-gateway --run 'web=node server.js' --watch-path .,../shared

Ctrl-C once: finishes running tasks, for --grace at most, then ends. Again: returns them to the queue at once.`,
    )
    .action(async (_: unknown, self: Command) => {
      const options = requireApp(optionsOf<DevOptions>(self));
      const { develop } = await import('../dev/run.ts');
      await develop({
        ...options,
        ...optionsOfFlags(flags, options),
        graceMs: toMs(options.grace, '--grace'),
      });
    });
}

function checkedLevel(text: string): string {
  logLevel(text);
  return text;
}

function ownProgram(text: string, previous: readonly OwnProgram[] | undefined): readonly OwnProgram[] {
  const [, name, command] = /^([\w.-]+)=(.*\S.*)$/s.exec(text) ?? [];
  if (name === undefined || command === undefined)
    throw new InvalidArgumentError('Write NAME=COMMAND: web=node server.js.');
  const others = previous ?? [];
  if ([...ourNames, ...others.map((each) => each.name)].includes(name))
    throw new InvalidArgumentError(`There is a program '${name}' already: choose another name.`);
  return [...others, { name, command }];
}

function collect(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, ...text.split(',').map((each) => each.trim())];
}
