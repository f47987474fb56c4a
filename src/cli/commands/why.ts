import { Command } from 'commander';
import { optionsOf, withApp } from '../common.ts';
import { askingOf, type RemoteOptions, withRemoteOptions } from '../remote.ts';

/** `umbel why`: the first obstacle on a task's way. */
export function whyCommand(): Command {
  const command = new Command('why')
    .description('Say why a task does not run, or where it is: the first obstacle on its way.')
    .argument('<id>', 'Its id.');
  return withRemoteOptions(command)
    .addHelpText(
      'after',
      `
It asks the queues, the workers, the results, the dead letters and the history
(umbel recorder). Of each queue the first 1,000 messages are looked at; on RabbitMQ none.

Examples:
  umbel -A ./app.ts why 01a1fdea-afea-704d-89bb-a6a44598e872
  umbel -b redis://localhost/0 why 01a1fdea-afea-704d-89bb-a6a44598e872 --json`,
    )
    .action((id: string, _: unknown, self: Command) => why(id, optionsOf<RemoteOptions>(self)));
}

async function why(id: string, options: RemoteOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const answer = await control.why(id, askingOf(options));
    output.data(answer);
    output.say(`${answer.kind}: ${answer.text}`);
  });
}
