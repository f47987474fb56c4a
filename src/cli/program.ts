import { type Argument, Command } from 'commander';
import { version } from '../lib/version.ts';
import { reportForeignOptions, withForeignOptions } from './celery-options.ts';
import { amqpCommand } from './commands/amqp.ts';
import { auditCommand } from './commands/audit.ts';
import { beatCommand } from './commands/beat.ts';
import { callCommand } from './commands/call.ts';
import { completionCommand } from './commands/completion.ts';
import { controlCommand } from './commands/control.ts';
import { deadCommand } from './commands/dead.ts';
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
import { configure } from './configuration/load.ts';
import { examples } from './examples.ts';
import { reflowed, widthOf } from './terminal/reflow.ts';

/** The whole command line. */
export function createProgram(): Command {
  const program = new Command('umbel');
  program
    .description('Tasks, workers and their results: Celery for TypeScript.')
    .version(version, '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Show help.')
    .addHelpText(
      'after',
      `
Examples:
  umbel init shop
  umbel -A ./app.ts worker -l info -c 8 -Q celery,slow
  umbel -A ./app.ts call shop.add -a '[2, 3]' --wait 10
  umbel -A ./app.ts gateway --port 8000
  umbel dead list

Without -A, commands that need no tasks use the broker of -b or UMBEL_BROKER_URL,
or the embedded store of this folder, .umbel/store.db.`,
    );
  const commands = [
    workerCommand(),
    beatCommand(),
    scheduleCommand(),
    callCommand(),
    resultCommand(),
    purgeCommand(),
    migrateCommand(),
    deadCommand(),
    gatewayCommand(),
    multiCommand(),
    shellCommand(),
    doctorCommand(),
    initCommand(),
    statusCommand(),
    inspectCommand(),
    controlCommand(),
    eventsCommand(),
    topCommand(),
    recorderCommand(),
    tasksCommand(),
    queuesCommand(),
    whyCommand(),
    auditCommand(),
    listCommand(),
    reportCommand(),
    graphCommand(),
    amqpCommand(),
    upgradeCommand(),
    logtoolCommand(),
    flowerCommand(),
    completionCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of everyCommand(program)) {
    const name = nameOf(command);
    withCommonOptions(command);
    withForeignOptions(command, name);
    const shown = examples[name];
    if (shown !== undefined) command.addHelpText('after', `\nExamples:\n  ${shown.join('\n  ')}`);
    if (command.commands.length > 0) command.helpCommand('help [command]', 'Show help for a command.');
    command
      .helpOption('-h, --help', 'Show help.')
      .exitOverride()
      .showSuggestionAfterError()
      .showHelpAfterError(`Try: ${fullName(command)} --help`)
      .configureOutput({
        getOutHelpWidth: () => widthOf(process.stdout),
        getErrHelpWidth: () => widthOf(process.stderr),
        outputError: (text) => process.stderr.write(oneLine(text)), // one line, however long
        writeOut: (text) => process.stdout.write(reflowed(text, widthOf(process.stdout))),
        writeErr: (text) => process.stderr.write(reflowed(text, widthOf(process.stderr))),
      })
      // At 80 columns there must be room for the description of a command.
      .configureHelp({ sortSubcommands: false, minWidthToWrap: 24, subcommandTerm: termOf });
  }
  program.hook('preAction', async (_, command) => {
    reportForeignOptions(command, nameOf(command));
    await configure(command);
  });
  return program;
}

function* everyCommand(command: Command): Iterable<Command> {
  yield command;
  for (const child of command.commands) yield* everyCommand(child);
}

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

/** `show <id>`; for the program's own commands only the name. */
function termOf(command: Command): string {
  const args = command.registeredArguments.map(shownAs);
  const isInner = command.parent?.parent !== null;
  return [command.name(), ...(isInner ? args : [])].join(' ');
}

function shownAs(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** The command's path without the program's name: `upgrade settings`. */
function nameOf(command: Command): string {
  return fullName(command).slice('umbel '.length);
}

/** Joins commander's message and its "did you mean", which are two lines. */
function oneLine(text: string): string {
  const line = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ');
  return line.startsWith('Try: ') ? `${line}\n` : `umbel: ${line} [UMBEL_USAGE]\n`;
}
