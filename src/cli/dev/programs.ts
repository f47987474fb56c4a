// The programs of `umbel dev`, as command lines. Pure.
import type { CommonOptions } from '../common.ts';
import type { OurName } from './log.ts';

/** A program of the user's: `--run NAME=COMMAND`. */
export interface OwnProgram {
  readonly name: string;
  /** For the shell. */
  readonly command: string;
}

/** What `umbel dev` was told, checked. */
export interface DevChoices extends CommonOptions {
  readonly app: string;
  readonly port?: number;
  readonly dashboardPort?: number;
  readonly gateway: boolean;
  readonly dashboard: boolean;
  readonly beat: boolean;
  readonly concurrency?: number;
  readonly queues?: readonly string[];
  readonly pool?: string;
  readonly loglevel?: string;
  readonly run?: readonly OwnProgram[];
  /** How long running tasks may take to finish when the worker stops, milliseconds. */
  readonly graceMs: number;
}

/** What starts a program: the arguments of a command of ours (`url`: where it listened before), or a command for the shell. */
export type StartCommand = ((url: string | undefined) => readonly string[]) | string;

/** The worker is the first. */
export function programsOf(choices: DevChoices): ReadonlyMap<string, StartCommand> {
  const { port, dashboardPort, concurrency, queues, pool, graceMs, loglevel } = choices;
  // Of the two servers each request would be a line.
  const quietly = flag('-l', loglevel ?? 'warning');
  const serving = (wanted: number | undefined, url: string | undefined): readonly string[] =>
    flag('--port', portOf(url) ?? wanted);
  const commands = new Map<OurName, Exclude<StartCommand, string>>([
    [
      'worker',
      () => [
        ...['worker', '--quiet', ...flag('-c', concurrency), ...flag('-Q', queues?.join(','))],
        ...[...flag('-P', pool), ...flag('--shutdown-timeout', `${graceMs}ms`), ...flag('-l', loglevel)],
      ],
    ],
  ]);
  if (choices.beat) commands.set('beat', () => ['beat', ...flag('-l', loglevel)]);
  if (choices.gateway)
    commands.set('gateway', (url) => ['gateway', '--host', '127.0.0.1', ...serving(port, url), ...quietly]);
  if (choices.dashboard)
    commands.set('dashboard', (url) => [
      ...['flower', '--address', '127.0.0.1', ...serving(dashboardPort, url), ...quietly],
    ]);
  const common = commonArguments(choices);
  const programs = new Map<string, StartCommand>();
  for (const [name, args] of commands) programs.set(name, (url) => [...common, ...args(url), ...pretty]);
  for (const { name, command } of choices.run ?? []) programs.set(name, command);
  return programs;
}

const pretty = ['--log-format', 'pretty'];

/** --workdir is not among them: the programs inherit the folder. */
function commonArguments({ app, broker, resultBackend, color, debug }: DevChoices): readonly string[] {
  return [
    ...['-A', app, ...flag('-b', broker), ...flag('--result-backend', resultBackend)],
    ...(color === false ? ['--no-color'] : []),
    ...(debug === true ? ['--debug'] : []),
  ];
}

function flag(name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [name, String(value)];
}

function portOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).port;
}
