import { Command } from 'commander';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';

interface AmqpOptions extends CommonOptions {
  readonly force?: boolean;
  readonly list?: boolean;
}

/** `umbel amqp`: RabbitMQ by hand. */
export function amqpCommand(): Command {
  return new Command('amqp')
    .description('Declare, bind, publish, get, purge and delete on RabbitMQ; without a command: a prompt.')
    .argument('[command]', 'queue.declare, basic.get … (see --list)')
    .argument('[arguments...]')
    .option('--list', 'Show the commands.')
    .option('-f, --force', 'Do not ask before deleting.')
    .addHelpText(
      'after',
      `
Examples:
  umbel -b amqp://localhost// amqp queue.declare celery true
  umbel -b amqp://localhost// amqp basic.get celery
  umbel -b amqp://localhost// amqp queue.purge celery -f
  umbel -A ./app.ts amqp`,
    )
    .action((name: string | undefined, args: readonly string[], _: unknown, self: Command) =>
      run(name === undefined ? [] : [name, ...args], optionsOf<AmqpOptions>(self)),
    );
}

async function run(words: readonly string[], options: AmqpOptions): Promise<void> {
  await withApp(options, async (session) => {
    if (options.list) {
      const { amqpCommands } = await import('../amqp/commands.ts');
      await session.output.table(
        ['command', 'arguments', ''],
        amqpCommands.map(({ name, args, help }) => [name, args.join(' '), help]),
      );
      session.output.data(amqpCommands.map(({ name, args, help }) => ({ name, args, help })));
      return;
    }
    const { amqpSession } = await import('../amqp/session.ts');
    await amqpSession(session, words, (question) => confirmed(question, options.force ?? false));
  });
}
