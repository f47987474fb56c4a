// Commands that change messages which wait in a queue.
import { Command } from 'commander';
import { type CommonOptions, optionsOf, withApp } from './common.ts';
import { confirmed } from './confirm.ts';
import { counted } from './output.ts';
import { clean } from './terminal/clean.ts';
import { exitCode } from './usage.ts';
import { positiveInteger } from './values.ts';

interface MoveOptions extends CommonOptions {
  readonly limit?: number;
  readonly query?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** `umbel queues move`. */
export function moveCommand(): Command {
  return new Command('move')
    .description(
      'Move messages that wait in a queue to another queue: none is lost, and none is there twice.',
    )
    .argument('<from>', 'The queue where they wait.')
    .argument('<to>', 'The queue where they will wait.')
    .option('-n, --limit <number>', 'At most this number, those that come next first.', positiveInteger)
    .option('--query <query>', "Only tasks that this query finds: 'name:mail.*' (not on RabbitMQ).")
    .option('--dry-run', 'Only count them.')
    .option('-f, --force', 'Do not ask.')
    .action((from: string, to: string, _: unknown, command: Command) =>
      move(from, to, optionsOf<MoveOptions>(command)),
    );
}

async function move(
  from: string,
  to: string,
  { limit, query, dryRun = false, force = false, ...options }: MoveOptions,
): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const which = { ...(limit !== undefined && { limit }), ...(query !== undefined && { query }) };
    const found = await app.queues.move(from, to, { ...which, dryRun: true });
    const names = `from '${clean(from)}' to '${clean(to)}'`;
    if (dryRun || found === 0) {
      output.data({ found });
      return output.say(`${counted(found, 'message')} would be moved ${names}.`);
    }
    const question = `This moves ${counted(found, 'message')} ${names}. Are you sure?`;
    if (!(await confirmed(question, force))) {
      output.note('Nothing was moved.');
      process.exitCode = exitCode.failed;
      return;
    }
    const moved = await app.queues.move(from, to, which);
    output.data({ moved });
    output.say(`Moved ${counted(moved, 'message')} ${names}.`);
  });
}
