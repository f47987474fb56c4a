// The commands, as the completion scripts of all shells see them. Pure.
import type { Command } from 'commander';
import { kindOfFlag, type NameKind } from './kinds.ts';

export interface CompletionNode {
  readonly name: string;
  readonly description: string;
  /** The values that its arguments take, if they are few. */
  readonly words: readonly string[];
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly description: string;
    /** What its value names. */
    readonly names: NameKind | undefined;
    /** Whether it has a value. */
    readonly takesValue: boolean;
    /** The values that it takes; empty: any. */
    readonly choices: readonly string[];
  }[];
  readonly commands: readonly CompletionNode[];
}

/** The completion tree of a command. */
export function nodeOf(command: Command): CompletionNode {
  return {
    name: command.name(),
    description: command.description(),
    words: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    options: command.options
      .filter((option) => !option.hidden)
      .map(({ short, long, description, required, optional, argChoices = [] }) => ({
        flags: [short, long].filter((flag) => flag !== undefined && flag !== null),
        description,
        takesValue: required || optional,
        names: kindOfFlag(long ?? ''),
        choices: argChoices,
      })),
    commands: command.commands.map(nodeOf),
  };
}

/** Each command with its path: `dead list`. */
export function* walk(
  node: CompletionNode,
  path: string,
): Iterable<readonly [path: string, node: CompletionNode]> {
  yield [path, node];
  for (const child of node.commands) yield* walk(child, path === '' ? child.name : `${path} ${child.name}`);
}

/** Options that say where names are looked up. */
export const places = ['-A', '--app', '-b', '--broker', '--result-backend', '--workdir'];
