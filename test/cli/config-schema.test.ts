// The JSON schema of umbel.config.json: made of the options of the commands, and true for what the documentation shows.
import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { commandNames } from '../../src/cli/command-table.ts';
import { createProgram } from '../../src/cli/program.ts';
import { project, umbel } from './harness.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The file says these once, for all commands. */
const once = new Set(['app', 'broker', 'resultBackend', 'workdir']);

function schemaOf(program: Command): object {
  const text = (description: string): object => ({ type: 'string', minLength: 1, description });
  const commands = program.commands.filter((command) => commandNames.some((name) => name === command.name()));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'umbel.config.json',
    description: 'Options of the command umbel. Flags and the environment win.',
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string' },
      app: text('The module that exports your App: ./app.ts, ./app, ./app.ts:name.'),
      broker: text('URL of the broker, for an App that names none.'),
      resultBackend: text('URL of the result backend, for an App that names none.'),
      ...Object.fromEntries(commands.map((command) => [command.name(), commandSchema(command)])),
    },
  };
}

function commandSchema(command: Command): object {
  const options = [...every(command)].flatMap((each) => each.options);
  const shown = options.filter((option) => !option.hidden && !once.has(option.attributeName()));
  return {
    type: 'object',
    description: command.description(),
    additionalProperties: false,
    properties: Object.fromEntries(shown.map((option) => [option.attributeName(), optionSchema(option)])),
  };
}

function* every(command: Command): Iterable<Command> {
  yield command;
  for (const child of command.commands) yield* every(child);
}

function optionSchema(option: Option): object {
  const { description, flags, argChoices } = option;
  if (option.isBoolean() || option.negate) return { type: 'boolean', description };
  if (argChoices) return { enum: argChoices, description };
  const types = /<(?:a,b|a,b:c|names|emails|fields)>/.test(flags)
    ? ['string', 'array']
    : ['string', 'number', ...(option.optional ? ['boolean'] : [])];
  return { type: types, ...(types.includes('array') && { items: { type: 'string' } }), description };
}

test('umbel.config.schema.json has every command and option', async () => {
  await expect(`${JSON.stringify(schemaOf(createProgram()), null, 2)}\n`).toMatchFileSnapshot(
    '../../umbel.config.schema.json',
  );
});

test('it accepts what the documentation shows, and refuses a misspelt option', () => {
  const schema = z.fromJSONSchema(JSON.parse(read('umbel.config.schema.json')));
  const [, shown = ''] = /```json\n(\{\n {2}"\$schema"[\s\S]*?)```/.exec(read('docs/cli.md')) ?? [];
  const config = JSON.parse(shown);
  expect(schema.safeParse(config).error).toBeUndefined();
  for (const wrong of [
    { worker: { concurency: 4 } },
    { wroker: {} },
    { app: 7 },
    { queues: { first: 'middle' } },
  ])
    expect(schema.safeParse({ ...config, ...wrong }).success, JSON.stringify(wrong)).toBe(false);
});

test('umbel.config.json is read, and what is wrong with it is said', async () => {
  const app = `import { App } from 'umbel'; export const app = new App('shop'); app.task('shop.add', () => 1);`;
  const list = (config: string) =>
    umbel(project({ 'app.js': app, 'umbel.config.json': config }), ['list', 'bindings', '--json']);
  expect(await list('{ "$schema": "./x.json", "app": "./app.js" }')).toMatchObject({ code: 0 });
  expect(await list('{ "app": ')).toMatchObject({ code: 2, stderr: /cannot read umbel.config.json: / });
  expect((await list('[]')).stderr).toMatch(/umbel\.config\.json must hold an object, like \{ "app"/);
  expect((await list('{ "aap": "./app.js" }')).stderr).toMatch(/there is no 'aap'; did you mean 'app'\?/);
});
