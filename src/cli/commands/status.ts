import { Command } from 'commander';
import { optionsOf, withApp } from '../common.ts';
import { pauseText } from '../pausing.ts';
import { askingOf, count, type RemoteOptions, withRemoteOptions } from '../remote.ts';
import { clean } from '../terminal/clean.ts';
import { exitCode } from '../usage.ts';

/** `umbel status`: shows the workers. */
export function statusCommand(): Command {
  const command = new Command('status').description('Show the workers that answer, and those that do not.');
  return withRemoteOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts status
  umbel -b redis://localhost/0 status --json

Exit code 69 if no worker answered.`,
    )
    .action((_: unknown, self: Command) => status(optionsOf<RemoteOptions>(self)));
}

async function status(options: RemoteOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const { replies, silent } = await control.ping(askingOf(options));
    const online = [...replies.keys()].sort();
    for (const node of online) output.say(`->  ${output.bold(clean(node))}: OK`);
    for (const node of silent) output.say(`->  ${output.bold(clean(node))}: no answer`);
    const paused = await app.queues.paused();
    for (const pause of paused) output.say(`Paused: ${pauseText(pause)}`);
    output.data({ online, silent, paused });
    if (online.length > 0) {
      if (!options.quiet) output.say(`\n${count(online.length)} online.`);
      return;
    }
    output.note('umbel: no nodes replied within time constraint [UMBEL_UNAVAILABLE]');
    process.exitCode = exitCode.unavailable;
  });
}
