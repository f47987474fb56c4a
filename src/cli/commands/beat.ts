import { Command, Option } from 'commander';
import type { Duration } from '../../lib/duration.ts';
import { nodeName } from '../../worker/node-name.ts';
import { type CommonOptions, optionsOf, requireApp, requireSharedStore, withApp } from '../common.ts';
import { detach, isDetached } from '../detach.ts';
import { type HealthChoices, healthOf, withHealthOptions } from '../health-options.ts';
import {
  createLogger,
  type LoggingChoices,
  logFileOf,
  logFormOf,
  pidFileOf,
  withLoggingOptions,
} from '../logging.ts';
import { createOutput } from '../output.ts';
import { endWithParent, whenStarted } from '../parent.ts';
import { stoppingInOrder } from '../stop-signals.ts';
import { duration } from '../values.ts';

interface BeatCommandOptions extends CommonOptions, LoggingChoices, HealthChoices {
  readonly lease?: Duration;
  readonly embedded?: boolean;
  readonly concurrency?: string;
  readonly pidfile?: string;
  readonly detach?: boolean;
}

/** `umbel beat`: sends tasks on their schedules until a signal stops it. */
export function beatCommand(): Command {
  const command = new Command('beat')
    .description('Send tasks on their schedules. Several may run: one sends, the others stand by.')
    .option('--lease <duration>', 'Replace a leader that is silent for this long; default 3 s.', duration)
    .addOption(
      new Option('-c, --concurrency <number>', 'A beat only sends: it is the worker that has it.').hideHelp(),
    )
    .addOption(new Option('--embedded', 'As the part of a worker.').hideHelp());
  withHealthOptions(command, 'beat');
  withLoggingOptions(command);
  command
    .option('--pidfile <file>', 'Write the process id to this file; refuse to start if that process lives.')
    .option('--detach', 'Start in the background; default files: beat.pid and beat.log.');
  return command
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts beat -l info
  umbel -A ./app.ts worker -B         a worker and a beat

The schedules: umbel -A ./app.ts schedule list`,
    )
    .action((_: unknown, command: Command) => beat(optionsOf<BeatCommandOptions>(command)));
}

async function beat(given: BeatCommandOptions): Promise<void> {
  const options = requireApp(given);
  const node = nodeName('beat@%h');
  if (options.detach && !isDetached) {
    const output = createOutput(options);
    const started = await detach(node, options);
    output.say(`${output.bold(node)}: started, as process ${started.pid}; its log is ${started.logfile}`);
    output.data({ name: node, ...started });
    return;
  }
  endWithParent();
  await withApp({ ...options, quiet: true }, async ({ app }) => {
    requireSharedStore(app);
    const { Beat } = await import('../../beat/beat.ts');
    using _pidFile = await pidFileOf(options.pidfile, node);
    const logger = await createLogger({
      ...options,
      ...(await logFileOf(options, node)),
      level: options.loglevel,
      ...logFormOf(options, app.config),
    });
    if (options.concurrency !== undefined)
      logger.warn({}, '--concurrency has no effect: a beat only sends; it is for umbel worker');
    const { lease, embedded = false } = options;
    using _ordered = stoppingInOrder();
    const health = healthOf(options);
    const beat = new Beat(app, { logger, embedded, health, ...(lease !== undefined && { lease }) });
    whenStarted(beat);
    await beat.run();
  });
}
