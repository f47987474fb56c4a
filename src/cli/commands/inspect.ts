import { Command } from 'commander';
import { optionsOf, withApp } from '../common.ts';
import {
  askingOf,
  type RemoteOptions,
  showAnswers,
  showList,
  unknownCommand,
  withRemoteOptions,
} from '../remote.ts';
import {
  argumentsOf,
  commandNamed,
  controlCommands,
  freeArguments,
  inspectCommands,
} from '../remote-commands.ts';
import { UsageError } from '../usage.ts';

/** `umbel inspect`: asks workers. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Ask workers what they do. Changes nothing.')
    .argument('[command]', 'active, ping, stats … (see --list), or one of your own')
    .argument('[arguments...]')
    .option('--list', 'Show the commands.');
  return withRemoteOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts inspect active
  umbel -b redis://localhost inspect query_task 0197a2c4-…
  umbel -A ./app.ts inspect stats -d celery@eu1 --json

Exit code 69 when nobody answered, 1 when a worker said that it could not.`,
    )
    .action((name: string | undefined, args: readonly string[], _: unknown, self: Command) =>
      inspect(name, args, optionsOf<RemoteOptions>(self)),
    );
}

async function inspect(
  name: string | undefined,
  args: readonly string[],
  options: RemoteOptions,
): Promise<void> {
  await withApp(options, async ({ app, output, loaded }) => {
    if (options.list) return showList(output, inspectCommands);
    const known = name === undefined ? undefined : commandNamed(inspectCommands, name);
    const own = name !== undefined && (app.commands.has(name) || !loaded);
    if (name === undefined || (known === undefined && !own))
      throw unknownCommand('inspect', name, inspectCommands);
    if (commandNamed(controlCommands, name) !== undefined)
      throw new UsageError(`'${name}' changes something: umbel control ${name}`);
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const given = known === undefined ? freeArguments(args) : argumentsOf(known, args);
    await showAnswers(output, await control.ask(known?.name ?? name, given, askingOf(options)));
  });
}
