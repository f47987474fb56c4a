import { Command, Option } from 'commander';
import { type Duration, toMs } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { duration, positiveInteger } from '../values.ts';

interface EventsOptions extends CommonOptions {
  readonly dump?: boolean;
  readonly camera?: string;
  readonly frequency?: Duration;
  readonly freq?: Duration;
  readonly maxrate?: string;
  readonly enable?: boolean;
  readonly routingKey?: string;
  readonly limit?: number;
}

/** `umbel events`: shows events as they happen. */
export function eventsCommand(): Command {
  return new Command('events')
    .description('Show the events of tasks and workers as they happen.')
    .option('-d, --dump', 'Print one line per event; default in a pipe.')
    .option(
      '-c, --camera <module>',
      'Pass snapshots of the cluster to the function that this module exports.',
    )
    .option('-F, --frequency <duration>', 'With --camera: time between two snapshots. Default 1 s.', duration)
    .addOption(new Option('--freq <duration>', 'The same.').argParser(duration).hideHelp())
    .option('-r, --maxrate <rate>', 'With --camera: highest rate of snapshots, like 10/m.')
    .option('--no-enable', 'Do not ask workers to send task events.')
    .option('--routing-key <pattern>', 'Only these events: task.# or worker.heartbeat. Default: all.')
    .option('--limit <number>', 'End after this number of events or snapshots.', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts events
  umbel -A ./app.ts events --dump
  umbel -b redis://localhost/0 events --json | jq .type
  umbel -A ./app.ts events --camera ./snapshots.ts --frequency 10

On a terminal: a screen. Keys: j k and arrows move, i info, a arguments, t traceback, r result, c revoke,
l rate limit, space holds the list, Tab shows umbel top, q ends. With --json: a line of JSON for each event.`,
    )
    .action((_: unknown, self: Command) => watch(optionsOf<EventsOptions>(self)));
}

async function watch(options: EventsOptions): Promise<void> {
  const { camera, freq, frequency = freq ?? 1, maxrate, routingKey, limit } = options;
  const rules = {
    enable: options.enable !== false,
    quiet: options.quiet ?? false,
    ...(routingKey !== undefined && { routingKey }),
    ...(limit !== undefined && { limit }),
  };
  await withApp(options, async (session) => {
    if (camera !== undefined) {
      const { takeSnapshots } = await import('../events/camera.ts');
      return takeSnapshots(session, {
        ...rules,
        camera,
        frequencyMs: toMs(frequency, '--frequency'),
        ...(maxrate !== undefined && { maxRate: maxrate }),
      });
    }
    const screen = !options.dump && !options.json && limit === undefined;
    if (screen && process.stdin.isTTY && process.stdout.isTTY)
      return (await import('../monitor/run.ts')).runMonitor(session, {
        ...rules,
        as: 'events',
        everyMs: 2000,
      });
    return (await import('../events/dump.ts')).dumpEvents(session, rules);
  });
}
