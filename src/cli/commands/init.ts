import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { makeFolder } from '../../lib/make-folder.ts';
import { type Choices, canAsk, chosen } from '../choose.ts';
import { type CommonOptions, optionsOf } from '../common.ts';
import { commandsOf, type PackageManager, packageManagers, presentManager } from '../init/package-manager.ts';
import { type ProjectStore, type ProjectTemplate, projectFiles } from '../init/project.ts';
import { serviceFiles } from '../init/service.ts';
import { type UmbelPackage, umbelPackage } from '../init/umbel-package.ts';
import { createOutput } from '../output.ts';
import { UsageError } from '../usage.ts';

type Template = ProjectTemplate | 'service';

interface InitOptions extends CommonOptions {
  readonly name?: string;
  readonly template?: Template;
  readonly store?: ProjectStore;
  readonly packageManager?: PackageManager;
  readonly yes?: true;
}

const templates: Choices<Template> = {
  minimal: 'the smallest project',
  workflow: 'tasks in parallel and in a chain',
  service: 'HTTP API, worker, beat and dashboard on Redis',
};

const stores: Choices<ProjectStore> = {
  embedded: 'a file, no server; for one machine',
  redis: 'messages and results in Redis',
  rabbitmq: 'messages in RabbitMQ; no chords',
};

const managers: Choices<PackageManager> = { npm: 'comes with Node.js', pnpm: '', yarn: '' };

/** `umbel init [folder]`: writes a new project. */
export function initCommand(): Command {
  return new Command('init')
    .description('Write a new project: typed tasks, a worker, a schedule, tests, Docker files.')
    .argument('[folder]', 'Where; it must be empty, or not there yet.', '.')
    .option('--name <name>', 'Name of the project and the application; default: the name of the folder.')
    .addOption(
      new Option(
        '--template <template>',
        `${Object.entries(templates)
          .map(([name, text]) => `${name}: ${text}`)
          .join('; ')}; default: minimal.`,
      ).choices(Object.keys(templates)),
    )
    .addOption(
      new Option(
        '--store <store>',
        'The store for messages of a minimal project or a workflow; default: embedded.',
      ).choices(Object.keys(stores)),
    )
    .addOption(
      new Option(
        '--package-manager <name>',
        'Whose commands the README has; default: the one that runs this, or npm.',
      ).choices(packageManagers),
    )
    .option('-y, --yes', 'Do not ask in a terminal for what is not given, but take the defaults.')
    .addHelpText(
      'after',
      `
Examples:
  umbel init shop && cd shop && npm install && npm start     asks in a terminal
  umbel init shop --yes
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
  const choices = await choicesOf(options);
  const umbel = umbelPackage();
  const files = await filesOf(name, choices, umbel);
  for (const [path, text] of files) {
    const file = join(folder, path);
    makeFolder(dirname(file));
    const isReadme = path.endsWith('.md');
    writeFileSync(file, isReadme ? commandsOf(choices.manager, text) : text, { flag: 'wx' });
    output.say(`  ${path}`);
  }
  if (umbel.tarball !== undefined) {
    copyFileSync(umbel.tarball, join(folder, basename(umbel.tarball)));
    output.say(`  ${basename(umbel.tarball)}, from which this Umbel was installed`);
  }
  const where = relative(process.cwd(), folder);
  const say = (text: string): void => output.say(commandsOf(choices.manager, text));
  say(`\nNow: ${where === '' ? '' : `cd ${where} && `}npm install && npm start`);
  if (choices.template !== 'service')
    say('Then: npm run dev, for worker, beat, HTTP API and dashboard while you write');
  output.data({ folder, name, files: [...files.keys()] });
}

interface InitChoices {
  readonly template: Template;
  readonly store: ProjectStore | undefined;
  readonly manager: PackageManager;
}

/** What is not given is asked for, if there is a terminal. */
async function choicesOf(options: InitOptions): Promise<InitChoices> {
  const asks = canAsk() && options.yes !== true && options.json !== true;
  const ask = async <T extends string>(
    question: string,
    choices: Choices<T>,
    usual: NoInfer<T>,
  ): Promise<T> => (asks ? await chosen(question, choices, usual) : usual);
  const askStore = async (): Promise<ProjectStore | undefined> => {
    if (template === 'service') return undefined;
    const { rabbitmq: _, ...withResults } = stores;
    if (template === 'workflow') return await ask('Which store?', withResults, 'embedded');
    return await ask('Which store?', stores, 'embedded');
  };
  const present = presentManager(process.env.npm_config_user_agent);
  const template = options.template ?? (await ask('Which project?', templates, 'minimal'));
  const store = options.store ?? (await askStore());
  const manager = options.packageManager ?? (await ask('Which package manager?', managers, present));
  return { template, store, manager };
}

async function filesOf(
  name: string,
  { template, store }: InitChoices,
  umbel: UmbelPackage,
): Promise<ReadonlyMap<string, string>> {
  const { builtinSqlite } = await import('../../stores/sqlite/library.ts');
  const needsSqlite = builtinSqlite() === undefined;
  if (template === 'workflow' && store === 'rabbitmq')
    throw new UsageError(
      'RabbitMQ keeps no results, which a chord needs; give --store redis, or --template minimal',
    );
  if (template !== 'service')
    return projectFiles({ template, name, store: store ?? 'embedded', needsSqlite, umbel });
  if (store !== undefined && store !== 'redis')
    throw new UsageError(`the template 'service' is made for Redis; leave out --store ${store}`);
  const { default: example } = await import('template:service');
  return serviceFiles(name, example, needsSqlite, umbel);
}
