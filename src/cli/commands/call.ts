import { Command } from 'commander';
import type { App } from '../../app/app.ts';
import type { SendOptions } from '../../config/call-options.ts';
import type { Priority } from '../../config/priority.ts';
import { UnknownTaskError } from '../../errors.ts';
import { type Duration, toSeconds } from '../../lib/duration.ts';
import { suggest } from '../../lib/suggest.ts';
import type { AsyncResult } from '../../results/async-result.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { reportResult } from '../report-result.ts';
import { exitCode } from '../usage.ts';
import { duration, jsonArray, jsonObject, priority, time, timeOrDuration } from '../values.ts';

interface CallOptions extends CommonOptions {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly countdown?: Duration;
  readonly eta?: Date;
  readonly expires?: Date | Duration;
  readonly queue?: string;
  readonly exchange?: string;
  readonly routingKey?: string;
  readonly priority?: Priority;
  readonly serializer?: string;
  readonly taskId?: string;
  readonly remote?: boolean;
  readonly wait?: Duration | true;
}

/** `umbel call NAME`: sends one task and prints its id; with `--wait` also its result. */
export function callCommand(): Command {
  return new Command('call')
    .description('Send a task and print its id.')
    .argument('<name>', "The task's name.")
    .option('-a, --args <json>', `Positional arguments: '[1, "two"]'.`, jsonArray)
    .option('-k, --kwargs <json>', `Keyword arguments: '{"name": "value"}'.`, jsonObject)
    .option('--countdown <duration>', 'Not before so long from now: seconds, or 10m.', duration)
    .option('--eta <time>', 'Not before this time: 2030-01-31T09:00:00Z.', time)
    .option('--expires <time>', 'Not after this time, or so long from now.', timeOrDuration)
    .option('-Q, --queue <name>', 'Send it to this queue.')
    .option('--exchange <name>', 'Send it to this exchange, to all queues that are bound for the key.')
    .option('--routing-key <key>', 'The key.')
    .option(
      '--priority <priority>',
      'urgent, high, normal, low, or a number (0 is the most urgent on Redis and the embedded store).',
      priority,
    )
    .option('--serializer <name>', 'json, yaml or msgpack.')
    .option('--task-id <id>', 'An id of your own.')
    .option('--remote', 'The task lives in another program: do not look for it in the App.')
    .option(
      '--wait [duration]',
      'Wait for the result and print it (as long as it takes, or so long).',
      duration,
    )
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts call shop.add -a '[2, 3]' --wait
  umbel -A ./app.ts call shop.report -k '{"month": "2030-01"}' --countdown 10m
  umbel call ml.predict -a '["text"]'          a task of another program

Exit code: 0 sent (and succeeded, with --wait), 1 not sent or failed, 3 not ended within --wait.`,
    )
    .action((name: string, _: unknown, command: Command) => call(name, optionsOf<CallOptions>(command)));
}

async function call(name: string, options: CallOptions): Promise<void> {
  await withApp(options, async ({ app, output, loaded }) => {
    if (loaded && !options.remote && !app.tasks.has(name)) {
      throw new UnknownTaskError(name, suggest(name, app.tasks.names()));
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
  const { kwargs, countdown, eta, expires, queue, exchange, routingKey, priority, serializer, taskId } =
    options;
  const given = {
    kwargs,
    countdown,
    eta,
    expires,
    queue,
    exchange,
    routingKey,
    priority,
    serializer,
    taskId,
  };
  const sendOptions = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return app.send(name, options.args ?? [], sendOptions as SendOptions); // the undefined ones are gone
}
