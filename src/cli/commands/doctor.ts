import { Command } from 'commander';
import { fileOfApp } from '../../app/load-app.ts';
import type { Finding } from '../../doctor/finding.ts';
import { appSpec, type CommonOptions, optionsOf, withApp } from '../common.ts';
import { counted, type Output } from '../output.ts';
import { folded, widthOf } from '../terminal/reflow.ts';
import { exitCode } from '../usage.ts';

interface DoctorOptions extends CommonOptions {
  readonly strict?: boolean;
  readonly offline?: boolean;
}

/** `umbel doctor`: finds common mistakes. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Find common mistakes in the tasks, the settings, the broker and the workers.')
    .option('--strict', 'Exit code 1 also for warnings.')
    .option('--offline', 'Do not contact the broker and the workers.')
    .addHelpText(
      'after',
      `
Prints each finding, why it matters, and how to fix it. Exit code 1 when there is an error (with --strict: or a
warning), so that it can be a step of CI.

Examples:
  umbel -A ./app.ts doctor
  umbel -A ./app.ts doctor --offline --strict --json`,
    )
    .action((_: unknown, command: Command) => doctor(optionsOf<DoctorOptions>(command)));
}

async function doctor(options: DoctorOptions): Promise<void> {
  await withApp(options, async ({ app, output, loaded }) => {
    // Counted before the application is used: these timers run in every process that imports it.
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const [{ examine }, { noSources, readSources }] = await Promise.all([
      import('../../doctor/examine.ts'),
      import('../../doctor/sources.ts'),
    ]);
    const spec = appSpec(options);
    const sources = spec === undefined ? noSources : readSources(app, fileOfApp(spec));
    const findings = await examine(app, {
      sources: loaded ? sources : null,
      timers,
      offline: options.offline === true,
    });
    for (const finding of findings) show(output, finding);
    const count = (level: Finding['level']): number => findings.filter((each) => each.level === level).length;
    const [errors, warnings, notes] = [count('error'), count('warning'), count('note')];
    output.say(
      findings.length === 0
        ? 'No problems found.'
        : `${counted(errors, 'error')}, ${counted(warnings, 'warning')}, ${counted(notes, 'note')}`,
    );
    output.data(findings);
    if (errors > 0 || (options.strict === true && warnings > 0)) process.exitCode = exitCode.failed;
  });
}

function show(output: Output, { check, level, what, why, fix }: Finding): void {
  // On a terminal, lines are folded to its width; elsewhere each text is one line.
  const width = process.stdout.isTTY ? widthOf(process.stdout) : Number.POSITIVE_INFINITY;
  const part = (name: string, text: string): string =>
    `  ${name} ${folded(text, width - 8).join(`\n${' '.repeat(8)}`)}`;
  const title = folded(`${level}: ${what} [${check}]`, width).join('\n');
  const tag = title.lastIndexOf('[');
  output.say(`${output.bold(title.slice(0, tag))}${output.dim(title.slice(tag))}`);
  output.say(part('why: ', why));
  output.say(`${part('fix: ', fix)}\n`);
}
