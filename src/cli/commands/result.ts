import { Command } from 'commander';
import { ResultBackendDisabledError } from '../../errors.ts';
import { type Duration, toSeconds } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { reportResult } from '../report-result.ts';
import { duration } from '../values.ts';

interface ResultOptions extends CommonOptions {
  readonly traceback?: boolean;
  readonly wait?: Duration | true;
}

/** `umbel result ID`: prints the result of a task. */
export function resultCommand(): Command {
  return new Command('result')
    .description('Print the result of a task.')
    .argument('<id>', "The task's id.")
    .option('--traceback', 'Also print the stack of the error.')
    .option('--wait [duration]', 'Wait for it (at most for this duration).', duration)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts result 01932c4e-7d1b-7c3f-9c0a-3c1c2f8d5b11
  umbel result ID --wait 30 --json

Exit code: 0 succeeded, 1 failed, revoked or unknown, 3 not ended yet.`,
    )
    .action((id: string, _: unknown, command: Command) => result(id, optionsOf<ResultOptions>(command)));
}

async function result(id: string, options: ResultOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const timeout =
      options.wait === undefined ? 0 : options.wait === true ? undefined : toSeconds(options.wait);
    if ((await app.backend()) === null) throw new ResultBackendDisabledError(app.name);
    process.exitCode = await reportResult(app.result(id), output, {
      timeout,
      traceback: options.traceback ?? false,
    });
  });
}
