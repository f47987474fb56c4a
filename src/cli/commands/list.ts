import { Command } from 'commander';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';

/** `umbel list bindings`: shows the bindings of exchanges and queues. */
export function listCommand(): Command {
  const command = new Command('list').description('Show facts about the broker.');
  command.addCommand(
    new Command('bindings')
      .description('Show which exchange and key lead to which queue, as the App declares them.')
      .action((_: unknown, self: Command) => bindings(optionsOf<CommonOptions>(self))),
  );
  return command;
}

async function bindings(options: CommonOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const broker = await app.broker();
    const { topology, config } = app;
    const used = await broker.queues();
    const names = new Set([config.taskDefaultQueue, ...topology.named, ...used]);
    const rows = [...names].sort().flatMap((queue) => {
      try {
        return topology
          .queue(queue)
          .bindings.map(({ exchange, routingKey }) => ({ queue, exchange: exchange.name, routingKey }));
      } catch {
        return [{ queue, exchange: '', routingKey: queue }]; // taskQueues does not name it
      }
    });
    await output.table(
      ['queue', 'exchange', 'routing key'],
      rows.map(({ queue, exchange, routingKey }) => [queue, exchange, routingKey]),
    );
    output.data(rows);
  });
}
