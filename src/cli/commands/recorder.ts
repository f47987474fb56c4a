import { Command } from 'commander';
import { LoadError } from '../../app/import-module.ts';
import { loadModule } from '../../app/load-app.ts';
import type { Duration } from '../../lib/duration.ts';
import type { FactsHook } from '../../recorder/recorder.ts';
import { nodeName } from '../../worker/node-name.ts';
import { type CommonOptions, optionsOf, requireSharedStore, withApp } from '../common.ts';
import { type HealthChoices, healthOf, withHealthOptions } from '../health-options.ts';
import { createLogger, type LoggingChoices, logFileOf, logFormOf, withLoggingOptions } from '../logging.ts';
import { stoppingInOrder } from '../stop-signals.ts';
import { duration, positiveInteger } from '../values.ts';

interface RecorderCommandOptions extends CommonOptions, LoggingChoices, HealthChoices {
  readonly keepFor?: Duration;
  readonly keepTasks?: number;
  readonly redact?: readonly string[];
  readonly redactHook?: string;
  readonly enable?: boolean;
  readonly unregister?: string;
}

/** `umbel recorder`: writes the history of tasks until a signal stops it. */
export function recorderCommand(): Command {
  const command = new Command('recorder')
    .description('Keep the history of all tasks, for umbel tasks and app.history.')
    .option('--keep-for <duration>', 'How long a task is kept; default 7d.', duration)
    .option(
      '--keep-tasks <number>',
      'How many tasks are kept; default 1000000. Of more, the oldest are deleted.',
      positiveInteger,
    )
    .option(
      '--redact <name>',
      'Do not write values of arguments with this name, nor of those named like secrets. May be repeated.',
      (name: string, before: readonly string[] = []) => [...before, name],
    )
    .option('--redact-hook <module>', 'Change what is written with the function that this module exports.')
    .option('--no-enable', 'Do not ask workers to send task events.')
    .option(
      '--unregister <id>',
      'Record nothing; end the registration of a recorder that does not come back, and drop what waits for it.',
    );
  withHealthOptions(command, 'recorder');
  withLoggingOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts recorder -l info
  umbel -b redis://localhost/0 recorder --keep-for 30d --redact iban

What it wrote: umbel tasks list`,
    )
    .action((_: unknown, command: Command) => {
      const options = optionsOf<RecorderCommandOptions>(command);
      return options.unregister === undefined
        ? record(options)
        : endRegistration(options, options.unregister);
    });
}

async function record(options: RecorderCommandOptions): Promise<void> {
  await withApp({ ...options, quiet: true }, async ({ app }) => {
    requireSharedStore(app);
    const { keepFor, keepTasks, redact, redactHook: module, enable = true } = options;
    const redactHook = module === undefined ? undefined : await hookOf(module);
    const { Recorder } = await import('../../recorder/recorder.ts');
    const logger = await createLogger({
      ...options,
      ...(await logFileOf(options, nodeName('recorder@%h'))),
      level: options.loglevel,
      ...logFormOf(options, app.config),
    });
    using _ordered = stoppingInOrder();
    const recorder = new Recorder(app, {
      logger,
      enable,
      health: healthOf(options),
      ...(keepFor !== undefined && { keepFor }),
      ...(keepTasks !== undefined && { keepTasks }),
      ...(redact !== undefined && { redact }),
      ...(redactHook !== undefined && { redactHook }),
    });
    await recorder.run();
  });
}

async function endRegistration(options: RecorderCommandOptions, id: string): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    requireSharedStore(app);
    const { unregister } = await import('../../recorder/unregister.ts');
    await unregister(app, id);
    output.data({ unregistered: id });
    output.say(`the registration ${id} has ended; programs stop writing for it within 10 seconds`);
  });
}

/** @throws LoadError */
async function hookOf(spec: string): Promise<FactsHook> {
  const module = await loadModule(spec);
  const found = module.default ?? module.redact;
  if (typeof found !== 'function')
    throw new LoadError(`'${spec}' exports no hook: export default (facts) => ({ ...facts, args: null })`);
  return found as FactsHook; // the user's function, which is called with the type that it declares
}
