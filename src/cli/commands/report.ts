import { platform, release } from 'node:os';
import { Command } from 'commander';
import { camel } from '../../config/spelling.ts';
import { version } from '../../lib/version.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { counted, shown } from '../output.ts';

/** `umbel report`: prints versions and settings for a bug report. */
export function reportCommand(): Command {
  return new Command('report')
    .description(
      'Show versions and settings for a bug report, and where each comes from. Secrets are hidden.',
    )
    .option('-a, --all', 'Also settings with default values.')
    .action((_: unknown, self: Command) => report(optionsOf<ReportOptions>(self)));
}

interface ReportOptions extends CommonOptions {
  readonly all?: boolean;
}

async function report(options: ReportOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { settingsOf } = await import('../../worker/commands/describe.ts');
    const { sourcesOf } = await import('../configuration/sources.ts');
    // The stores always: two programs that do not find each other differ in these.
    const { broker_url, result_backend } = settingsOf(app, true);
    const settings = { broker_url, result_backend, ...settingsOf(app, options.all ?? false) };
    const software = { umbel: version, node: process.versions.node };
    const system = { system: platform(), release: release(), arch: process.arch };
    output.say(`software -> ${pairs(software)}`);
    output.say(`platform -> ${pairs(system)}`);
    output.say(`app      -> ${app.name}, ${counted(app.tasks.names().length, 'task')}`);
    output.say(`folder   -> ${process.cwd()}`);
    output.say('');
    const known = sourcesOf(app);
    const sources = Object.fromEntries(
      Object.keys(settings).map((name) => [name, known[ourName(name)] ?? 'code']),
    );
    for (const [name, value] of Object.entries(settings))
      output.say(`${name}: ${shown(value)} ${output.dim(`(${sources[name]})`)}`);
    output.data({
      software,
      system,
      app: app.name,
      folder: process.cwd(),
      tasks: app.tasks.names().sort(),
      settings,
      sources,
    });
  });
}

/** Settings are shown by Celery's names. */
function ourName(spelled: string): string {
  if (spelled === 'broker_url') return 'broker';
  return spelled === 'result_backend' ? 'backend' : camel(spelled);
}

function pairs(facts: Readonly<Record<string, string>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}:${value}`)
    .join(' ');
}
