// `umbel tasks revoke`: cancels tasks by their ids, or all that a query finds.
import { Command } from 'commander';
import { optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { counted } from '../output.ts';
import { askingOf, type RemoteOptions, withRemoteOptions } from '../remote.ts';
import { clean } from '../terminal/clean.ts';
import { exitCode, UsageError } from '../usage.ts';

interface RevokeOptions extends RemoteOptions {
  readonly query?: string;
  readonly terminate?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

export function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('Cancel tasks: those that wait end as REVOKED instead of running.')
    .argument('[ids...]', 'Their ids.')
    .option(
      '--query <query>',
      "All that have not ended and that this query finds: 'name:mail.* state:pending'.",
    )
    .option('--terminate', 'Also end those that run.')
    .option('--reason <text>', 'Why, for the audit log.')
    .option('--dry-run', 'With --query: only show which.')
    .option('-f, --force', 'With --query: do not ask.');
  return withRemoteOptions(command).action((ids: readonly string[], _: unknown, self: Command) =>
    revoke(ids, optionsOf<RevokeOptions>(self)),
  );
}

async function revoke(
  ids: readonly string[],
  { query, terminate = false, dryRun = false, force = false, ...options }: RevokeOptions,
): Promise<void> {
  if (ids.length > 0 === (query !== undefined))
    throw new UsageError('give either the ids of tasks, or a --query');
  await withApp(options, async ({ app, output }) => {
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const how = { ...askingOf(options), terminate };
    if (query === undefined) {
      const { silent } = await control.revoke(ids, how);
      return told(ids, silent);
    }
    const found = await control.revokeAll(query, { dryRun: true });
    const count = counted(found.ids.length, 'task');
    if (dryRun || found.ids.length === 0) {
      output.data({ found: found.ids });
      for (const id of found.ids) output.say(id);
      return output.note(`${count} would be revoked.`);
    }
    const effect = terminate ? 'cancelled, also if they run' : 'cancelled, unless they run';
    if (!(await confirmed(`${count} will be ${effect}. Are you sure?`, force))) {
      output.note('Nothing was revoked.');
      process.exitCode = exitCode.failed;
      return;
    }
    const { ids: revoked, silent } = await control.revokeAll(query, how);
    return told(revoked, silent);

    function told(all: readonly string[], quiet: readonly string[]): void {
      output.data({ revoked: all, silent: quiet });
      output.say(`Revoked ${counted(all.length, 'task')}.`);
      if (quiet.length > 0) output.note(`No answer from ${quiet.map(clean).join(', ')}.`);
    }
  });
}
