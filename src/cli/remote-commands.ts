// The commands of `inspect` and `control`, with their arguments on the command line like Celery's.
import { UsageError } from './usage.ts';

export interface RemoteCommandLine {
  readonly name: string;
  /** Names of its arguments in order. The last one with `…` takes all further words. */
  readonly args: readonly string[];
  /** How many arguments are required. */
  readonly least?: number;
  readonly help: string;
  /** Question that is asked before the command is sent. */
  readonly question?: string;
}

export const inspectCommands: readonly RemoteCommandLine[] = [
  { name: 'active', args: [], help: 'Tasks that run.' },
  { name: 'active_queues', args: [], help: 'Queues that are served.' },
  { name: 'clock', args: [], help: 'The logical clock.' },
  { name: 'conf', args: ['with_defaults'], help: 'Settings; with `true` also those with default values.' },
  { name: 'memsample', args: [], help: 'How much memory is used.' },
  { name: 'ping', args: [], help: 'Workers that answer.' },
  { name: 'query_task', args: ['ids…'], least: 1, help: 'Where these tasks are.' },
  {
    name: 'registered',
    args: ['taskinfoitems…'],
    help: 'Tasks that the worker knows, with these attributes.',
  },
  { name: 'report', args: [], help: 'Versions and settings, for a bug report.' },
  { name: 'reserved', args: [], help: 'Tasks that were claimed and have not begun.' },
  { name: 'revoked', args: [], help: 'Ids of revoked tasks.' },
  { name: 'scheduled', args: [], help: 'Tasks that a worker keeps until their time (ours keep none).' },
  { name: 'stats', args: [], help: 'Numbers of the worker.' },
];

export const controlCommands: readonly RemoteCommandLine[] = [
  {
    name: 'add_consumer',
    args: ['queue', 'exchange', 'exchange_type', 'routing_key'],
    least: 1,
    help: 'Also serve this queue.',
  },
  { name: 'autoscale', args: ['max', 'min'], least: 2, help: 'Change the bounds of autoscaling.' },
  { name: 'cancel_consumer', args: ['queue'], least: 1, help: 'Stop serving this queue.' },
  {
    name: 'concurrency_limit',
    args: ['task_name', 'limit'],
    least: 2,
    help: 'Run no more of a task at once, in all workers together; 0: no limit.',
  },
  { name: 'disable_events', args: [], help: 'Stop sending task events.' },
  { name: 'enable_events', args: [], help: 'Start sending task events.' },
  { name: 'heartbeat', args: [], help: 'Send a heartbeat now.' },
  { name: 'pool_grow', args: ['n'], help: 'Run this many more tasks at a time.' },
  { name: 'pool_restart', args: [], help: "Restart the pool (Celery's workers only; Umbel's refuse it)." },
  { name: 'pool_shrink', args: ['n'], help: 'Run this many fewer tasks at a time.' },
  {
    name: 'rate_limit',
    args: ['task_name', 'rate_limit'],
    least: 2,
    help: 'Start a task no more often than 10/m.',
  },
  {
    name: 'reload_pauses',
    args: [],
    help: 'Look now which queues and tasks are paused (umbel queues pause).',
  },
  { name: 'revoke', args: ['task_id…'], least: 1, help: 'Do not run these tasks.' },
  {
    name: 'revoke_by_stamped_headers',
    args: ['headers…'],
    least: 1,
    help: 'Do not run tasks with these stamps: name=value ….',
  },
  {
    name: 'revoke_workflow',
    args: ['root_id…'],
    least: 1,
    help: 'Run nothing more of these workflows, by the ids of their roots.',
  },
  {
    name: 'shutdown',
    args: [],
    help: 'Shut down warmly.',
    question: 'This shuts the workers down: what runs is finished, nothing else is begun.',
  },
  {
    name: 'terminate',
    args: ['signal', 'task_id…'],
    least: 2,
    help: 'Do not run these tasks, and end what runs of them: SIGTERM <id> ….',
    question: 'This ends what runs of these tasks.',
  },
  {
    name: 'terminate_workflow',
    args: ['signal', 'root_id…'],
    least: 2,
    help: 'The same, and end what runs of them: SIGTERM <id> ….',
    question: 'This ends what runs of these workflows.',
  },
  { name: 'time_limit', args: ['task_name', 'soft', 'hard'], least: 1, help: 'Change time limits, seconds.' },
];

/** Celery's alternative names. */
const aliases: Readonly<Record<string, string>> = {
  dump_active: 'active',
  dump_reserved: 'reserved',
  dump_schedule: 'scheduled',
  dump_tasks: 'registered',
  dump_revoked: 'revoked',
  dump_conf: 'conf',
};

/** The command of this name; undefined: there is none. */
export function commandNamed(
  commands: readonly RemoteCommandLine[],
  name: string,
): RemoteCommandLine | undefined {
  const meant = aliases[name] ?? name;
  return commands.find((command) => command.name === meant);
}

/** The arguments in the form of the protocol. @throws UsageError */
export function argumentsOf(command: RemoteCommandLine, given: readonly string[]): Record<string, unknown> {
  const { name, args, least = 0 } = command;
  if (given.length < least) throw new UsageError(`'${name}' takes ${args.join(' ')}; ${given.length} given`);
  const read: Record<string, unknown> = {};
  for (const [at, arg] of args.entries()) {
    if (arg.endsWith('…')) {
      const rest = given.slice(at);
      read[arg.slice(0, -1)] = arg === 'headers…' ? stamps(rest) : rest;
      return read;
    }
    const text = given[at];
    if (text !== undefined) read[arg] = readValue(arg, text);
  }
  if (given.length > args.length)
    throw new UsageError(`'${name}' takes ${args.join(' ') || 'no arguments'}; ${given.length} given`);
  return read;
}

/** The arguments of an unknown command: `name=value`, or words for `args`. */
export function freeArguments(given: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    given.map((text, at) => {
      const cut = text.indexOf('=');
      return cut > 0 ? [text.slice(0, cut), jsonOrText(text.slice(cut + 1))] : [String(at), jsonOrText(text)];
    }),
  );
}

function readValue(arg: string, text: string): unknown {
  if (['n', 'max', 'min'].includes(arg)) {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 0)
      throw new UsageError(`'${arg}' must be a whole number, not '${text}'`);
    return number;
  }
  if (['soft', 'hard'].includes(arg)) {
    if (text === 'none' || text === 'null') return null;
    const number = Number(text);
    if (!(number > 0)) throw new UsageError(`'${arg}' must be a number of seconds, or none, not '${text}'`);
    return number;
  }
  if (arg === 'with_defaults') return ['true', 'yes', 'y', '1', 'with_defaults'].includes(text.toLowerCase());
  return text;
}

function stamps(given: readonly string[]): Record<string, string[]> {
  const read: Record<string, string[]> = {};
  for (const text of given) {
    const cut = text.indexOf('=');
    if (cut < 1) throw new UsageError(`a stamp is written name=value, not '${text}'`);
    read[text.slice(0, cut)] = [...(read[text.slice(0, cut)] ?? []), text.slice(cut + 1)];
  }
  return read;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
