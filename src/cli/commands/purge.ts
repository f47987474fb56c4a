import { Command } from 'commander';
import { purgeQueue } from '../../app/purge-queue.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { exitCode } from '../usage.ts';
import { queueList, without } from '../values.ts';

interface PurgeOptions extends CommonOptions {
  readonly force?: boolean;
  readonly queues?: readonly string[];
  readonly excludeQueues?: readonly string[];
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
    .addHelpText(
      'after',
      `
Messages that a worker holds, and dead letters, stay.

Examples:
  umbel -A ./app.ts purge
  umbel -A ./app.ts purge -f -Q slow,mail
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
    const broker = await app.broker();
    const sizes = await Promise.all(queues.map((queue) => broker.size(queue)));
    const waiting = sizes.reduce((sum, size) => sum + size.ready + size.scheduled, 0);
    const names = queues.map((queue) => `'${queue}'`).join(', ');
    const question = `This deletes ${messages(waiting)} from ${names} for good. Are you sure?`;
    if (waiting > 0 && !(await confirmed(question, options.force ?? false))) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    const purged: Record<string, number> = {};
    for (const queue of queues) purged[queue] = await purgeQueue(app, queue);
    const total = Object.values(purged).reduce((sum, count) => sum + count, 0);
    output.say(`Purged ${messages(total)} from ${names}.`);
    output.data({ purged });
  });
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
