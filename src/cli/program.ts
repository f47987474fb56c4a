import { type Argument, Command } from 'commander';
import { version } from '../lib/version.ts';
import { reportForeignOptions, withForeignOptions } from './celery-options.ts';
import { type CommandName, commandNamed, commandNames } from './command-table.ts';
import { withCommonOptions } from './common.ts';
import { configure } from './configuration/load.ts';
import { examples } from './examples.ts';
import { reflowed, widthOf } from './terminal/reflow.ts';

/** The command line, with all commands or with these. */
export function createProgram(names: readonly CommandName[] = commandNames): Command {
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
  umbel dev
  umbel -A ./app.ts worker -l info -c 8 -Q celery,slow
  umbel -A ./app.ts call shop.add -a '[2, 3]' --wait 10
  umbel -A ./app.ts gateway --port 8000
  umbel dead list

Without -A, the App is that of ./app.ts or ./src/app.ts. Without an App, commands that
need no tasks use the broker of -b or UMBEL_BROKER_URL, or the embedded store of this
folder, .umbel/store.db.`,
    );
  for (const name of names) program.addCommand(commandNamed(name));
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
    await configure(command, commandNames);
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
