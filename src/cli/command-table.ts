// The commands, and which of them a command line needs: making all of them takes a third of a start.
import { Command } from 'commander';
import { amqpCommand } from './commands/amqp.ts';
import { auditCommand } from './commands/audit.ts';
import { beatCommand } from './commands/beat.ts';
import { callCommand } from './commands/call.ts';
import { completionCommand } from './commands/completion.ts';
import { controlCommand } from './commands/control.ts';
import { deadCommand } from './commands/dead.ts';
import { devCommand } from './commands/dev.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { flowerCommand } from './commands/flower.ts';
import { gatewayCommand } from './commands/gateway.ts';
import { graphCommand } from './commands/graph.ts';
import { initCommand } from './commands/init.ts';
import { inspectCommand } from './commands/inspect.ts';
import { listCommand } from './commands/list.ts';
import { logtoolCommand } from './commands/logtool.ts';
import { migrateCommand } from './commands/migrate.ts';
import { multiCommand } from './commands/multi.ts';
import { purgeCommand } from './commands/purge.ts';
import { queuesCommand } from './commands/queues.ts';
import { recorderCommand } from './commands/recorder.ts';
import { reportCommand } from './commands/report.ts';
import { resultCommand } from './commands/result.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { shellCommand } from './commands/shell.ts';
import { statusCommand } from './commands/status.ts';
import { tasksCommand } from './commands/tasks.ts';
import { topCommand } from './commands/top.ts';
import { upgradeCommand } from './commands/upgrade.ts';
import { whyCommand } from './commands/why.ts';
import { workerCommand } from './commands/worker.ts';
import { withCommonOptions } from './common.ts';

/** In the order of the help. */
const commands = {
  dev: devCommand,
  worker: workerCommand,
  beat: beatCommand,
  schedule: scheduleCommand,
  call: callCommand,
  result: resultCommand,
  purge: purgeCommand,
  migrate: migrateCommand,
  dead: deadCommand,
  gateway: gatewayCommand,
  multi: multiCommand,
  shell: shellCommand,
  doctor: doctorCommand,
  init: initCommand,
  status: statusCommand,
  inspect: inspectCommand,
  control: controlCommand,
  events: eventsCommand,
  top: topCommand,
  recorder: recorderCommand,
  tasks: tasksCommand,
  queues: queuesCommand,
  why: whyCommand,
  audit: auditCommand,
  list: listCommand,
  report: reportCommand,
  graph: graphCommand,
  amqp: amqpCommand,
  upgrade: upgradeCommand,
  logtool: logtoolCommand,
  flower: flowerCommand,
  completion: completionCommand,
} satisfies Record<string, () => Command>;

export type CommandName = keyof typeof commands;

export const commandNames: readonly CommandName[] = Object.keys(commands).filter(isCommand);

export function commandNamed(name: CommandName): Command {
  return commands[name]();
}

/** The commands that this command line needs: the one that it calls; all of them for help, and where it calls none. */
export function commandsIn(argv: readonly string[]): readonly CommandName[] {
  const options = new Command();
  withCommonOptions(options);
  const words = argv.slice(2).values();
  for (const word of words) {
    if (word === '-V' || word === '--version') return [];
    if (!word.startsWith('-')) return isCommand(word) && !needsAll(word, argv) ? [word] : commandNames;
    const name = word.startsWith('--') ? word.replace(/=.*/s, '') : word;
    const option = options.options.find(({ short, long }) => name === short || name === long);
    if (option === undefined) return commandNames;
    if (option.required && name === word) words.next();
  }
  return commandNames;
}

/** A completion script has all commands; the names that it offers come from one. */
function needsAll(name: CommandName, argv: readonly string[]): boolean {
  return name === 'completion' && !argv.some((word) => word.startsWith('--names'));
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
