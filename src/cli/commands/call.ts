import { Command } from 'commander';
import type { App } from '../../app/app.ts';
import { travellingOptions } from '../../config/call-options.ts';
import { UmbelError, UnknownTaskError } from '../../errors.ts';
import { type Duration, toSeconds } from '../../lib/duration.ts';
import { suggest } from '../../lib/suggest.ts';
import type { AsyncResult } from '../../results/async-result.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { optionsOfFlags, withFlags } from '../flags.ts';
import { reportResult } from '../report-result.ts';
import { exitCode } from '../usage.ts';
import { duration, jsonArray, jsonObject } from '../values.ts';

interface CallOptions extends CommonOptions {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly remote?: boolean;
  readonly wait?: Duration | true;
}

/** `umbel call NAME`: sends one task and prints its id; with `--wait` also its result. */
export function callCommand(): Command {
  const command = new Command('call')
    .description('Send a task and print its id.')
    .argument('<name>', "The task's name.")
    .option('-a, --args <json>', `Positional arguments: '[1, "two"]'.`, jsonArray)
    .option('-k, --kwargs <json>', `Keyword arguments: '{"name": "value"}'.`, jsonObject);
  return withFlags(command, travellingOptions)
    .option('--remote', 'The task is in another program: do not look for it in the App.')
    .option('--wait [duration]', 'Wait for the result and print it (at most for this duration).', duration)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts call shop.add -a '[2, 3]' --wait
  umbel -A ./app.ts call shop.report -k '{"month": "2030-01"}' --countdown 10m
  umbel call ml.predict -a '["text"]' --remote       a task of another program

Exit code: 0 sent (and succeeded, with --wait), 1 not sent or failed, 3 not ended within --wait.`,
    )
    .action((name: string, _: unknown, command: Command) => call(name, optionsOf<CallOptions>(command)));
}

async function call(name: string, options: CallOptions): Promise<void> {
  await withApp(options, async ({ app, output, loaded }) => {
    if (loaded && !options.remote && !app.tasks.has(name)) {
      const near = suggest(name, app.tasks.names());
      if (near !== undefined) throw new UnknownTaskError(name, near);
      throw new UmbelError(
        'UMBEL_UNKNOWN_TASK',
        `the application has no task named '${name}'; --remote sends it all the same, to a worker of another program`,
      );
    }
    const result = await send(app, name, options);
    if (options.wait === undefined) {
      output.say(result.id);
      output.data({ id: result.id });
      return;
    }
    output.note(output.dim(result.id));
    const timeout = options.wait === true ? undefined : toSeconds(options.wait);
    process.exitCode = await reportResult(result, output, { timeout, traceback: options.debug ?? false });
  });
  process.exitCode ??= exitCode.ok;
}

function send(app: App, name: string, options: CallOptions): Promise<AsyncResult<unknown>> {
  const { args = [], kwargs } = options;
  return app.send(name, args, { ...(kwargs && { kwargs }), ...optionsOfFlags(travellingOptions, options) });
}
