import { Command } from 'commander';
import { type Duration, toMs } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { UsageError } from '../usage.ts';
import { duration } from '../values.ts';

interface TopOptions extends CommonOptions {
  readonly once?: boolean;
  readonly interval?: Duration;
  readonly enable?: boolean;
}

/** `umbel top`: shows queues, workers and rates on one screen. Its other tab is `umbel events`. */
export function topCommand(): Command {
  return new Command('top')
    .description('Show queues, workers, rates and failures on one screen.')
    .option('--once', 'Measure one interval, print it, and end.')
    .option('-i, --interval <duration>', 'Time between refreshes. Default 2 s.', duration)
    .option('--no-enable', 'Do not ask workers to send task events; then there are no rates by task.')
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts top
  umbel -b redis://localhost/0 top --once
  umbel -b redis://localhost/0 top --json -i 10 | jq .queues

With --json: one JSON line per interval.`,
    )
    .action((_: unknown, self: Command) => top(optionsOf<TopOptions>(self)));
}

async function top({ once = false, interval = 2, enable = true, ...options }: TopOptions): Promise<void> {
  const everyMs = toMs(interval, '--interval');
  if (everyMs < 100) throw new UsageError('--interval must be at least 100ms');
  await withApp(options, async (session) => {
    const { runMonitor } = await import('../monitor/run.ts');
    const isScreen = !session.output.json && process.stdout.isTTY;
    await runMonitor(session, { as: once ? 'once' : isScreen ? 'top' : 'text', everyMs, enable });
  });
}
