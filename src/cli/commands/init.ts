import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { makeFolder } from '../../lib/make-folder.ts';
import { type CommonOptions, optionsOf } from '../common.ts';
import { type ProjectStore, type ProjectTemplate, projectFiles } from '../init/project.ts';
import { serviceFiles } from '../init/service.ts';
import { createOutput } from '../output.ts';
import { UsageError } from '../usage.ts';

interface InitOptions extends CommonOptions {
  readonly name?: string;
  readonly template: ProjectTemplate | 'service';
  readonly store?: ProjectStore;
}

/** `umbel init [folder]`: writes a new project. */
export function initCommand(): Command {
  return new Command('init')
    .description('Write a new project: typed tasks, a worker, a schedule, tests, Docker files.')
    .argument('[folder]', 'Where; it must be empty, or not there yet.', '.')
    .option('--name <name>', 'Name of the project and the application; default: the name of the folder.')
    .addOption(
      new Option(
        '--template <template>',
        'minimal: the smallest project; workflow: tasks in parallel and in a chain; service: HTTP API, worker, beat and dashboard on Redis.',
      )
        .choices(['minimal', 'workflow', 'service'])
        .default('minimal'),
    )
    .addOption(
      new Option(
        '--store <store>',
        'The store for messages of a minimal project or a workflow; default: embedded.',
      ).choices(['embedded', 'redis', 'rabbitmq']),
    )
    .addHelpText(
      'after',
      `
Examples:
  umbel init shop && cd shop && npm install && npm start
  umbel init shop --store redis
  umbel init shop --template workflow
  umbel init shop --template service`,
    )
    .action((folder: string, _: unknown, command: Command) => init(folder, optionsOf<InitOptions>(command)));
}

async function init(given: string, options: InitOptions): Promise<void> {
  const output = createOutput(options);
  const folder = resolve(given);
  const present = existsSync(folder) ? readdirSync(folder).filter((name) => name !== '.git') : [];
  if (present.length > 0)
    throw new UsageError(
      `the folder '${given}' is not empty (${present.slice(0, 3).join(', ')}); give another one`,
    );
  const name =
    options.name ??
    basename(folder)
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-');
  if (!/^[a-z][a-z0-9-]*$/.test(name))
    throw new UsageError(
      `'${name}' cannot be a name; give one of small letters, digits and '-': --name shop`,
    );
  const files = await filesOf(name, options);
  for (const [path, text] of files) {
    const file = join(folder, path);
    makeFolder(dirname(file));
    writeFileSync(file, text, { flag: 'wx' });
    output.say(`  ${path}`);
  }
  const where = relative(process.cwd(), folder);
  output.say(`\nNow: ${where === '' ? '' : `cd ${where} && `}npm install && npm start`);
  if (options.template !== 'service')
    output.say('Then: npm run dev, for worker, beat, HTTP API and dashboard while you write');
  output.data({ folder, name, files: [...files.keys()] });
}

async function filesOf(name: string, { template, store }: InitOptions): Promise<ReadonlyMap<string, string>> {
  if (template === 'workflow' && store === 'rabbitmq')
    throw new UsageError(
      'RabbitMQ keeps no results, which a chord needs; give --store redis, or --template minimal',
    );
  if (template !== 'service') return projectFiles({ template, name, store: store ?? 'embedded' });
  if (store !== undefined && store !== 'redis')
    throw new UsageError(`the template 'service' is made for Redis; leave out --store ${store}`);
  const { default: example } = await import('template:service');
  return serviceFiles(name, example);
}
