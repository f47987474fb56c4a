// The JSON schema of umbel.config.json, made of the options of the commands.
import type { Command, Option } from 'commander';
import { commandNames } from '../../src/cli/command-table.ts';

/** The file says these once, for all commands. */
const once = new Set(['app', 'broker', 'resultBackend', 'workdir']);

export function schemaOf(program: Command): object {
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
  const types = /<(?:a,b|a,b:c|names|emails|fields|folders|paths|name=command)>/.test(flags)
    ? ['string', 'array']
    : ['string', 'number', ...(option.optional ? ['boolean'] : [])];
  return { type: types, ...(types.includes('array') && { items: { type: 'string' } }), description };
}
