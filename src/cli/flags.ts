// Flags made from the rows of options, which have the flag's name, its reader and its help text.
import { type Command, Option } from 'commander';
import type { Check, Options, Table } from '../lib/schema.ts';
import { argument } from './values.ts';

/** Declares the flags of a table on a command. */
export function withFlags(command: Command, table: Table): Command {
  for (const row of Object.values(table)) {
    const option = flagOf(row);
    if (option !== null) command.addOption(option);
  }
  return command;
}

/** The values of the flags, by the names of their rows. */
export function optionsOfFlags<T extends Table>(table: T, options: object): Options<T> {
  const given = new Map<string, unknown>(Object.entries(options));
  const byRow: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(table)) {
    const value = given.get(flagOf(row)?.attributeName() ?? '');
    if (value !== undefined) byRow[name] = value;
  }
  return byRow as Options<T>; // each value was read by its row
}

function flagOf(row: Check<unknown>): Option | null {
  if (row.flag === undefined) return null;
  const option = new Option(...row.flag);
  if (option.isBoolean()) return option;
  if (row.choices !== undefined) option.choices(row.choices);
  return option.argParser(argument(row));
}
