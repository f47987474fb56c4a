import { Command } from 'commander';
import type { Control } from '../../control/control.ts';
import type { Answers } from '../../control/mailbox.ts';
import { optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import {
  askingOf,
  type RemoteOptions,
  remoteCallOf,
  showAnswers,
  showList,
  withRemoteOptions,
} from '../remote.ts';
import { controlCommands } from '../remote-commands.ts';
import { exitCode } from '../usage.ts';

interface ControlCommandOptions extends RemoteOptions {
  readonly force?: boolean;
}

/** `umbel control`: sends commands to workers. */
export function controlCommand(): Command {
  const command = new Command('control')
    .description('Send commands to running workers.')
    .argument('[command]', 'revoke, add_consumer, pool_grow … (see --list), or a command of your App')
    .argument('[arguments...]')
    .option('--list', 'Show the commands.')
    .option('--reason <text>', 'Why, for the audit log.')
    .option('-f, --force', 'Do not ask.');
  return withRemoteOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts control revoke 0197a2c4-…
  umbel -A ./app.ts control terminate SIGTERM 0197a2c4-…
  umbel -A ./app.ts control rate_limit shop.mail 10/m
  umbel -A ./app.ts control add_consumer slow -d celery@eu1

No worker runs a revoked task, not even one that starts later. Exit code 69 if no worker answered, 1 if a worker answered
with an error.`,
    )
    .action((name: string | undefined, args: readonly string[], _: unknown, self: Command) =>
      sendCommand(name, args, optionsOf<ControlCommandOptions>(self)),
    );
}

async function sendCommand(
  name: string | undefined,
  args: readonly string[],
  options: ControlCommandOptions,
): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    if (options.list) return showList(output, controlCommands);
    const { known, ...call } = remoteCallOf('control', name, args, session);
    if (known?.question !== undefined) {
      const target = options.destination?.join(', ') ?? options.pattern ?? 'all workers';
      const question = `${known.question} (${target}) Are you sure?`;
      if (!(await confirmed(question, options.force ?? false))) {
        output.note('Nothing was sent.');
        process.exitCode = exitCode.failed;
        return;
      }
    }
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    if (known?.name === 'shutdown') {
      await control.shutdown(askingOf(options));
      output.say('Asked to shut down. (Workers do not answer to that.)');
      output.data({ sent: 'shutdown' });
      return;
    }
    await showAnswers(output, await perform(control, call.name, call.args, options), 'list');
  });
}

/** Sends a command. Revocations are stored first, for workers that are away. */
function perform(
  control: Control,
  name: string,
  args: Record<string, unknown>,
  options: RemoteOptions,
): Promise<Answers> {
  const asking = askingOf(options);
  const given = args.task_id ?? args.root_id;
  const ids = Array.isArray(given) ? given.map(String) : [];
  switch (name) {
    case 'revoke':
      return control.revoke(ids, asking);
    case 'terminate':
      return control.terminate(ids, { ...asking, signalName: String(args.signal) });
    case 'revoke_workflow':
      return control.revokeWorkflow(ids, asking);
    case 'terminate_workflow':
      return control.revokeWorkflow(ids, { ...asking, terminate: true, signalName: String(args.signal) });
    case 'revoke_by_stamped_headers':
      return control.revokeByStamps(args.headers as Record<string, string[]>, asking); // checked by argumentsOf
    default:
      return control.ask(name, args, asking);
  }
}
