import { Command, Option } from 'commander';
import type { App } from '../../app/app.ts';
import { version } from '../../lib/version.ts';
import { nodeName } from '../../worker/node-name.ts';
import { workerOptions } from '../../worker/options.ts';
import { banner } from '../banner.ts';
import { type CommonOptions, optionsOf, requireApp, requireSharedStore, withApp } from '../common.ts';
import { detach, isDetached } from '../detach.ts';
import { embeddedBeat } from '../embedded-beat.ts';
import { optionsOfFlags, withFlags } from '../flags.ts';
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
import { endWithParentAnyhow, whenStarted } from '../parent.ts';
import { listenToHangup, startAgain } from '../restart.ts';
import { stoppingInOrder } from '../stop-signals.ts';
import { queueList, without } from '../values.ts';

interface WorkerCommandOptions extends CommonOptions, LoggingChoices, HealthChoices {
  readonly queues?: readonly string[];
  readonly excludeQueues?: readonly string[];
  readonly detach?: boolean;
  readonly hostname?: string;
  readonly purge?: boolean;
  readonly pidfile?: string;
  readonly beat?: boolean;
}

/** `umbel worker`: runs tasks until a signal stops it. */
export function workerCommand(): Command {
  const command = new Command('worker')
    .description('Run tasks.')
    .option(
      '-Q, --queues <a,b>',
      "Serve these queues; default: the App's taskQueues, or its default queue.",
      queueList,
    )
    .option('-X, --exclude-queues <a,b>', 'All queues but these.', queueList);
  withFlags(command, workerOptions);
  command
    .addOption(new Option('--events').implies({ taskEvents: true }).hideHelp())
    .option('-B, --beat', 'Also run a beat, in a separate process. Several workers may do so.');
  withHealthOptions(command, 'worker');
  command
    .option('--purge', 'First delete all waiting messages of its queues.')
    .addOption(new Option('--discard').implies({ purge: true }).hideHelp());
  withLoggingOptions(command);
  command
    .option('--pidfile <file>', 'Write the process id to this file; refuse to start if that process lives.')
    .option('-D, --detach', 'Start in the background; default files: %n.pid and %n.log.');
  return command
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts worker -l info
  umbel -A ./app.ts worker -Q celery,slow -c 20 -n images@%h
  umbel -A ./app.ts worker -D -n images@%h --pidfile run/%n.pid

SIGTERM or Ctrl-C once: finishes running tasks, then ends (exit code 0). A second time, or SIGQUIT: returns running tasks
to the queue at once, or after --soft-shutdown-timeout (exit code 1). SIGHUP: finishes running tasks and restarts in
place. SIGUSR1: logs the work of every slot.`,
    )
    .action((_: unknown, command: Command) => work(optionsOf<WorkerCommandOptions>(command)));
}

async function work(asked: WorkerCommandOptions): Promise<void> {
  const options = requireApp(asked);
  if (options.detach && !isDetached) return startInBackground(options);
  await endWithParentAnyhow();
  using hangup = listenToHangup();
  await withApp({ ...options, quiet: true }, async ({ app, output }) => {
    if (options.beat) requireSharedStore(app);
    const { taskLogFields, Worker } = await import('../../worker/worker.ts');
    const logForm = logFormOf(options, app.config);
    const { format } = logForm;
    const node = nodeName(options.hostname);
    using _pidFile = await pidFileOf(options.pidfile, node);
    const { file } = await logFileOf(options, node);
    const logger = await createLogger({
      ...options,
      ...(file !== undefined && { file }),
      level: options.loglevel,
      ...logForm,
      mixin: taskLogFields,
    });
    const queues = queuesOf(options, app);
    const given = optionsOfFlags(workerOptions, options);
    const { app: module } = options;
    const worker = new Worker(app, {
      ...given,
      ...(queues !== undefined && { queues }),
      module,
      health: healthOf(options),
      logger,
    });
    if (options.purge) {
      for (const queue of worker.queues)
        logger.warn({ queue, purged: await app.queues.purge(queue) }, `purged '${queue}'`);
    }
    const { broker, backend } = app.config;
    const facts = {
      version,
      node: worker.name,
      app: app.name,
      module,
      broker,
      backend,
      concurrency: worker.concurrency,
      pool: given.pool ?? app.config.workerPool,
      queues: worker.queues,
      tasks: app.tasks.names().sort(),
    };
    // JSON is for programs, which read only the log.
    if (format === 'json') logger.info(facts, 'umbel worker');
    else if (!options.quiet) output.say(banner(facts));
    if (hangup.wanted) return; // SIGHUP came during the start
    using _ordered = stoppingInOrder();
    hangup.obeyStops();
    await using _beat = options.beat
      ? embeddedBeat({ ...options, ...(file !== undefined && { logfile: file }), format }, logger)
      : null;
    whenStarted(worker);
    await worker.run();
    if (hangup.wanted) logger.info({}, 'SIGHUP: starting again');
  });
  if (hangup.wanted) process.exitCode = await startAgain();
}

async function startInBackground(options: WorkerCommandOptions): Promise<void> {
  const node = nodeName(options.hostname);
  const output = createOutput(options);
  const started = await detach(node, options);
  output.say(`${output.bold(node)}: started, as process ${started.pid}; its log is ${started.logfile}`);
  output.data({ name: node, ...started });
}

function queuesOf({ queues, excludeQueues }: WorkerCommandOptions, app: App): readonly string[] | undefined {
  if (excludeQueues === undefined) return queues;
  const { named } = app.topology;
  return without(queues ?? (named.length > 0 ? named : [app.config.taskDefaultQueue]), excludeQueues);
}
