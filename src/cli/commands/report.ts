import { platform, release } from 'node:os';
import { Command } from 'commander';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { shown } from '../output.ts';
import { version } from '../version.ts';

/** `umbel report`: what belongs into a bug report. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Show versions and settings, for a bug report. Secrets are hidden.')
    .action((_: unknown, self: Command) => report(optionsOf<CommonOptions>(self)));
}

async function report(options: CommonOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { settingsOf } = await import('../../worker/commands/describe.ts');
    const settings = settingsOf(app, false);
    const software = { umbel: version, node: process.versions.node };
    const system = { system: platform(), release: release(), arch: process.arch };
    output.say(`software -> ${pairs(software)}`);
    output.say(`platform -> ${pairs(system)}`);
    output.say(`app      -> ${app.name}, ${app.tasks.names().length} tasks`);
    output.say('');
    for (const [name, value] of Object.entries(settings)) output.say(`${name}: ${shown(value)}`);
    output.data({ software, system, app: app.name, tasks: app.tasks.names().sort(), settings });
  });
}

function pairs(facts: Readonly<Record<string, string>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}:${value}`)
    .join(' ');
}
