import { Command } from 'commander';
import { optionsOf, withApp } from '../common.ts';
import {
  askingOf,
  type RemoteOptions,
  remoteCallOf,
  showAnswers,
  showList,
  withRemoteOptions,
} from '../remote.ts';
import { inspectCommands } from '../remote-commands.ts';

/** `umbel inspect`: asks workers about their state. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Ask workers about their state. Changes nothing.')
    .argument('[command]', 'active, ping, stats … (see --list), or a command of your App')
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

Exit code 69 if no worker answered, 1 if a worker answered with an error.`,
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
  await withApp(options, async (session) => {
    if (options.list) return showList(session.output, inspectCommands);
    const call = remoteCallOf('inspect', name, args, session);
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(session.app);
    await showAnswers(session.output, await control.ask(call.name, call.args, askingOf(options)));
  });
}
