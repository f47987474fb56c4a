// The options by which a command selects dead letters: ids, filters, or all.
import { type Command, InvalidArgumentError } from 'commander';
import { checkReason } from '../app/dead-letter-filter.ts';
import type { DeadLetterChoice, DeadLetterFilter } from '../app/dead-letters.ts';
import { toMs } from '../lib/duration.ts';
import type { DeadReason } from '../stores/transport.ts';
import { UsageError } from './usage.ts';
import { timeOrDuration } from './values.ts';

export interface FilterOptions {
  readonly task?: string;
  readonly reason?: readonly DeadReason[];
  readonly queue?: string;
  readonly diedBefore?: Date;
  readonly diedAfter?: Date;
  readonly text?: string;
}

export interface ChoiceOptions extends FilterOptions {
  readonly all?: boolean;
}

/** Declares the filter options on a command. */
export function withFilterOptions(command: Command): Command {
  return command
    .option('--task <name>', "Only calls of this task; * matches any text: 'mail.*'.")
    .option(
      '--reason <a,b>',
      'Only with one of these reasons: undecodable, unknown-task, max-deliveries, rejected, failed.',
      reasons,
    )
    .option('-Q, --queue <name>', 'Only of this queue.')
    .option(
      '--died-before <time>',
      'Only those that died before this: a time, or 10m for ten minutes ago.',
      moment,
    )
    .option(
      '--died-after <time>',
      'Only those that died after this: a time, or 10m for ten minutes ago.',
      moment,
    )
    .option('--text <text>', 'Only those with this text in their arguments or bytes.');
}

export function filterOf(options: FilterOptions): DeadLetterFilter {
  const { task, reason, queue, diedBefore, diedAfter, text } = options;
  return {
    ...(task !== undefined && { task }),
    ...(reason !== undefined && { reason }),
    ...(queue !== undefined && { queue }),
    ...(diedBefore !== undefined && { diedBefore }),
    ...(diedAfter !== undefined && { diedAfter }),
    ...(text !== undefined && { text }),
  };
}

/** @throws UsageError when there is no selection, or more than one */
export function choiceOf(ids: readonly string[], options: ChoiceOptions): DeadLetterChoice {
  const filter = filterOf(options);
  const isFiltered = Object.keys(filter).length > 0;
  if (ids.length > 0) {
    if (options.all || isFiltered) throw new UsageError('give either ids or filter options, not both');
    return ids.map(idOf);
  }
  if (options.all || isFiltered) return filter;
  throw new UsageError('choose dead letters by ids, by filters such as --task and -Q, or by --all');
}

function idOf(text: string): number {
  const id = Number(text);
  if (Number.isSafeInteger(id) && id >= 1) return id;
  throw new UsageError(`'${text}' is not the id of a dead letter; see: umbel dead list`);
}

function reasons(text: string, previous: readonly DeadReason[] = []): readonly DeadReason[] {
  try {
    return [...previous, ...text.split(',').map((word) => checkReason(word.trim()))];
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
  }
}

function moment(text: string): Date {
  const value = timeOrDuration(text);
  return value instanceof Date ? value : new Date(Date.now() - toMs(value));
}
