import { Command } from 'commander';
import type { AuditEntry } from '../../stores/audit-store.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { clean } from '../terminal/clean.ts';
import { positiveInteger } from '../values.ts';

interface AuditOptions extends CommonOptions {
  readonly limit: number;
  readonly before?: number;
  readonly user?: string;
  readonly action?: string;
  readonly target?: string;
}

/** `umbel audit`: who did what. */
export function auditCommand(): Command {
  return new Command('audit')
    .description(
      'Show who did what to queues, tasks, dead letters and schedules, when and why: the newest first.',
    )
    .option('--limit <number>', 'At most this number.', positiveInteger, 25)
    .option('--before <number>', 'Only entries older than the one with this number.', positiveInteger)
    .option('--user <name>', "Only of this user; * matches any text: 'ann@*'.")
    .option('--action <name>', "Only this action; * matches any text: 'queue.*'.")
    .option('--target <name>', 'Only with this target; * matches any text.')
    .addHelpText(
      'after',
      `
Examples:
  umbel audit
  umbel audit --action 'queue.*' --user 'ann@*'
  umbel audit --limit 10000 --json

The store keeps the newest 10,000 actions of the command line, of code and of the dashboard.`,
    )
    .action((_: unknown, command: Command) => show(optionsOf<AuditOptions>(command)));
}

async function show({ limit, before, user, action, target, ...options }: AuditOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const entries = await app.audit.list({
      limit,
      ...(before !== undefined && { before }),
      ...(user !== undefined && { user }),
      ...(action !== undefined && { action }),
      ...(target !== undefined && { target }),
    });
    output.data(entries);
    if (entries.length === 0) return output.say('No actions.');
    await output.table(['when', 'user', 'action', 'target', 'reason'], entries.map(rowOf));
    if (entries.length === limit) output.say(`More: the same with --before ${entries.at(-1)?.id}`);
  });
}

function rowOf({ at, user, role, address, action, target, reason }: AuditEntry): readonly string[] {
  const who = [user, role, address].filter((text) => text !== '').join(' ');
  return [at.toISOString(), clean(who), clean(action), clean(target).slice(0, 200), clean(reason)];
}
