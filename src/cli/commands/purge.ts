import { Command } from 'commander';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { counted } from '../output.ts';
import { exitCode } from '../usage.ts';
import { queueList, without } from '../values.ts';

interface PurgeOptions extends CommonOptions {
  readonly force?: boolean;
  readonly queues?: readonly string[];
  readonly excludeQueues?: readonly string[];
  readonly query?: string;
  readonly dryRun?: boolean;
}

/** `umbel purge`: deletes waiting messages. */
export function purgeCommand(): Command {
  return new Command('purge')
    .description('Delete all waiting messages of queues for good.')
    .option('-f, --force', 'Do not ask.')
    .option(
      '-Q, --queues <a,b>',
      "These queues; default: the App's taskQueues, or its default queue.",
      queueList,
    )
    .option('-X, --exclude-queues <a,b>', 'All queues but these.', queueList)
    .option('--query <query>', "Only tasks that this query finds: 'name:mail.*' (not on RabbitMQ).")
    .option('--reason <text>', 'Why, for the audit log.')
    .option('--dry-run', 'Only count them.')
    .addHelpText(
      'after',
      `
Messages that a worker holds, and dead letters, stay.

Examples:
  umbel -A ./app.ts purge
  umbel -A ./app.ts purge -f -Q slow,mail
  umbel purge -Q mail --query 'name:mail.newsletter eta:>1d' --dry-run
  umbel -A ./app.ts purge -X celery`,
    )
    .action((_: unknown, command: Command) => purge(optionsOf<PurgeOptions>(command)));
}

async function purge(options: PurgeOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { named } = app.topology;
    const queues = without(
      options.queues ?? (named.length > 0 ? named : [app.config.taskDefaultQueue]),
      options.excludeQueues,
    );
    const which = options.query === undefined ? {} : { query: options.query };
    const counts = await Promise.all(
      queues.map((queue) => app.queues.purge(queue, { ...which, dryRun: true })),
    );
    const waiting = counts.reduce((sum, count) => sum + count, 0);
    const names = queues.map((queue) => `'${queue}'`).join(', ');
    if (options.dryRun) {
      output.data({ found: waiting });
      return output.say(`${counted(waiting, 'message')} would be deleted from ${names}.`);
    }
    const question = `This deletes ${counted(waiting, 'message')} from ${names} for good. Are you sure?`;
    if (waiting > 0 && !(await confirmed(question, options.force ?? false))) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    const purged: Record<string, number> = {};
    for (const queue of queues) purged[queue] = await app.queues.purge(queue, which);
    const total = Object.values(purged).reduce((sum, count) => sum + count, 0);
    output.say(`Purged ${counted(total, 'message')} from ${names}.`);
    output.data({ purged });
  });
}
