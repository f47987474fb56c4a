import { Command } from 'commander';
import { redacted } from '../../lib/redact.ts';
import { poolSizeOf } from '../../protocol/pool-size.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { createOutput } from '../output.ts';
import { askingOf, type RemoteOptions, withRemoteOptions } from '../remote.ts';
import { exitCode } from '../usage.ts';

/** `umbel graph`: draws the cluster or a worker, for Graphviz. */
export function graphCommand(): Command {
  const workers = new Command('workers')
    .description('Show which workers serve which queues, as DOT.')
    .addHelpText('after', '\nExamples:\n  umbel -A ./app.ts graph workers | dot -Tsvg > workers.svg');
  withRemoteOptions(workers).action((_: unknown, self: Command) =>
    drawWorkers(optionsOf<RemoteOptions>(self)),
  );
  const bootsteps = new Command('bootsteps')
    .description('Show the parts of a worker, and what each needs, as DOT.')
    .addHelpText('after', '\nExamples:\n  umbel graph bootsteps | dot -Tsvg > worker.svg')
    .action(async (_: unknown, self: Command) => {
      const { bootstepsGraph, dotOf } = await import('../graph/dot.ts');
      const output = createOutput(optionsOf<CommonOptions>(self));
      output.say(dotOf(bootstepsGraph()));
      output.data(bootstepsGraph());
    });
  return new Command('graph')
    .description('Draw the cluster or the parts of a worker for Graphviz (DOT).')
    .addCommand(workers)
    .addCommand(bootsteps);
}

async function drawWorkers(options: RemoteOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const [{ Control }, { dotOf, workersGraph }] = await Promise.all([
      import('../../control/control.ts'),
      import('../graph/dot.ts'),
    ]);
    await using control = new Control(app);
    const asking = askingOf(options);
    const [stats, queues] = await Promise.all([
      control.ask('stats', {}, asking),
      control.ask('active_queues', {}, asking),
    ]);
    const workers = [...stats.replies].sort().map(([name, reply]) => ({
      name,
      slots: poolSizeOf(reply) ?? 0,
      queues: namesOf(queues.replies.get(name)),
    }));
    if (workers.length === 0) {
      output.note('umbel: no nodes replied within time constraint [UMBEL_UNAVAILABLE]');
      process.exitCode = exitCode.unavailable;
      return;
    }
    const { broker, backend } = app.config;
    const cluster = {
      workers,
      broker: redacted(broker),
      backend: backend === null ? null : redacted(backend),
    };
    output.say(dotOf(workersGraph(cluster)));
    output.data(cluster);
  });
}

function namesOf(reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((queue: unknown) =>
    typeof queue === 'object' && queue !== null && 'name' in queue ? [String(queue.name)] : [],
  );
}
