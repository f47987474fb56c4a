import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Command } from 'commander';
import { type CommonOptions, optionsOf } from '../common.ts';
import { createOutput } from '../output.ts';
import { UsageError } from '../usage.ts';

interface UpgradeOptions extends CommonOptions {
  readonly env?: boolean;
  readonly output?: string;
  readonly force?: boolean;
}

/** `umbel upgrade`: converts Celery's configuration to ours. */
export function upgradeCommand(): Command {
  const settings = new Command('settings')
    .description(
      "Convert a Celery configuration to Umbel's: a Python module, a .env file, or this shell's environment.",
    )
    .argument('[file]', 'celeryconfig.py, settings.py (Django), .env …')
    .option('--env', 'Read CELERY_… and BROKER_… from the environment instead of a file.')
    .option('-o, --output <file>', 'Write to this file; default: standard output.')
    .option('-f, --force', 'Replace an existing file.')
    .addHelpText(
      'after',
      `
Examples:
  umbel upgrade settings celeryconfig.py -o settings.ts
  umbel upgrade settings project/settings.py
  umbel upgrade settings --env --json

The Python file is read, never run: values that would have to be computed are named and left to you. Passwords
are not copied. Then: import { settings } from './settings.ts'; new App('shop', settings).`,
    )
    .action((file: string | undefined, _: unknown, self: Command) =>
      upgrade(file, optionsOf<UpgradeOptions>(self)),
    );
  return new Command('upgrade')
    .description('Take over the settings of a Celery application.')
    .addCommand(settings);
}

async function upgrade(file: string | undefined, options: UpgradeOptions): Promise<void> {
  if ((file === undefined) === !options.env)
    throw new UsageError('name a file, or use --env: umbel upgrade settings celeryconfig.py');
  const [{ assignmentsOf }, { assignmentsOfEnv, assignmentsOfVariables }, { convert, moduleOf }] =
    await Promise.all([
      import('../upgrade/python.ts'),
      import('../upgrade/environment.ts'),
      import('../upgrade/convert.ts'),
    ]);
  const text = file === undefined ? '' : contentsOf(file);
  const assignments =
    file === undefined
      ? assignmentsOfVariables(process.env)
      : /(?:^|[./\\])env(?:\.\w+)?$/i.test(file)
        ? assignmentsOfEnv(text)
        : assignmentsOf(text);
  const converted = convert(assignments);
  const module = moduleOf(converted, file === undefined ? 'the environment' : basename(file));
  const output = createOutput(options);
  output.data(converted);
  if (options.output !== undefined) {
    try {
      writeFileSync(options.output, module, { flag: options.force ? 'w' : 'wx' });
    } catch (error) {
      const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      throw new UsageError(
        exists ? `'${options.output}' exists; -f replaces it` : `cannot write '${options.output}'`,
        { cause: error },
      );
    }
    output.say(`Wrote ${converted.settings.length} settings to ${options.output}.`);
  } else output.say(module.trimEnd());
  if (converted.settings.length === 0 && converted.missing.length === 0)
    output.note('No setting of Celery was found.');
  if (options.output === undefined) return;
  for (const { name, why } of converted.missing) output.note(`not taken over: ${name}: ${why}`);
}

function contentsOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read '${file}'`, { cause: error });
  }
}
