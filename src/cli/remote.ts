// The shared part of `inspect`, `control` and `status`: which nodes to ask, and how to show the answers.
import { type Command, InvalidArgumentError } from 'commander';
import type { ControlOptions } from '../control/control.ts';
import type { Answers } from '../control/mailbox.ts';
import type { Duration } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import type { CommonOptions, Session } from './common.ts';
import { type Output, shown } from './output.ts';
import {
  argumentsOf,
  commandNamed,
  controlCommands,
  freeArguments,
  inspectCommands,
  type RemoteCommandLine,
} from './remote-commands.ts';
import { clean } from './terminal/clean.ts';
import { exitCode, UsageError } from './usage.ts';
import { duration } from './values.ts';

export interface RemoteOptions extends CommonOptions {
  readonly timeout?: Duration;
  readonly destination?: readonly string[];
  readonly pattern?: string;
  readonly list?: boolean;
}

export function withRemoteOptions(command: Command): Command {
  return command
    .option('-t, --timeout <duration>', 'How long to wait for answers. Default 1 s.', duration)
    .option('-d, --destination <a,b>', 'Only these nodes: celery@host1,celery@host2.', nodes)
    .option('--pattern <glob>', 'Only nodes with a matching name: mail@*.');
}

export function askingOf({ timeout, destination, pattern }: RemoteOptions): ControlOptions {
  return {
    ...(timeout !== undefined && { timeout }),
    ...(destination !== undefined && { destination }),
    ...(pattern !== undefined && { pattern }),
  };
}

/**
 * Shows the answers like Celery, and names the nodes that did not answer. For programs the output is `{node: reply}`, or a list of these for
 * `control`, like `celery control -j`. The exit code is 69 when no node answered, 1 when a node answered with an error.
 */
export async function showAnswers(
  output: Output,
  { replies, silent }: Answers,
  json: 'map' | 'list' = 'map',
): Promise<void> {
  for (const [node, value] of [...replies].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [state, reply] = stateOf(value);
    if (state === 'ERROR') process.exitCode = exitCode.failed;
    output.say(`->  ${output.bold(clean(node))}: ${state}`);
    if (isTaskList(reply)) await output.table(taskHead, reply.map(taskRow));
    else if (reply !== '') output.say(indented(reply, output));
  }
  const each = [...replies].map(([node, value]) => ({ [node]: value }));
  output.data(json === 'list' ? each : Object.assign({}, ...each));
  if (replies.size > 0) output.say(`\n${count(replies.size)} online.`);
  if (silent.length > 0) output.note(`No answer from ${silent.map(clean).join(', ')}.`);
  if (replies.size > 0) return;
  output.note('umbel: no nodes replied within time constraint [UMBEL_UNAVAILABLE]');
  process.exitCode = exitCode.unavailable;
}

/** A command for workers, and its arguments. */
interface RemoteCall {
  readonly name: string;
  /** Undefined: a command of the application's own. */
  readonly known: RemoteCommandLine | undefined;
  readonly args: Record<string, unknown>;
}

/** @throws UsageError for an unknown command, a command of the other kind (`inspect`, `control`), or wrong arguments */
export function remoteCallOf(
  kind: 'inspect' | 'control',
  name: string | undefined,
  args: readonly string[],
  { app, loaded }: Session,
): RemoteCall {
  const [ours, others] =
    kind === 'inspect' ? [inspectCommands, controlCommands] : [controlCommands, inspectCommands];
  const known = name === undefined ? undefined : commandNamed(ours, name);
  const isOwn = name !== undefined && (app.commands.has(name) || !loaded);
  if (name !== undefined && commandNamed(others, name) !== undefined)
    throw new UsageError(
      kind === 'inspect'
        ? `'${name}' changes something: umbel control ${name}`
        : `'${name}' changes nothing: umbel inspect ${name}`,
    );
  if (name === undefined || (known === undefined && !isOwn)) throw unknownCommand(kind, name, ours);
  return known === undefined
    ? { name, known, args: freeArguments(args) }
    : { name: known.name, known, args: argumentsOf(known, args) };
}

function unknownCommand(
  kind: string,
  name: string | undefined,
  known: readonly RemoteCommandLine[],
): UsageError {
  if (name === undefined)
    return new UsageError(
      `name a command: umbel ${kind} ${known[0]?.name}; all commands: umbel ${kind} --list`,
    );
  const hint = suggest(
    name,
    known.map((each) => each.name),
  );
  const way = hint === undefined ? `all of them: umbel ${kind} --list` : `did you mean '${hint}'?`;
  return new UsageError(`there is no '${name}' in umbel ${kind}; ${way}`);
}

export async function showList(output: Output, known: readonly RemoteCommandLine[]): Promise<void> {
  await output.table(
    ['command', 'arguments', ''],
    known.map(({ name, args, help }) => [name, args.join(' '), help]),
  );
  output.data(known.map(({ name, args, help }) => ({ name, args, help })));
}

export function count(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}

function nodes(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === ''))
    throw new InvalidArgumentError('A node name is empty; write them as celery@a,celery@b.');
  return names;
}

/** Reads a reply by Celery's convention: `{ok: …}`, `{error: …}`, or the bare value. */
function stateOf(value: unknown): readonly ['OK' | 'ERROR', unknown] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['OK', value];
  if ('error' in value && Object.keys(value).length === 1) return ['ERROR', value.error];
  return 'ok' in value && Object.keys(value).length === 1 ? ['OK', value.ok] : ['OK', value];
}

function indented(value: unknown, output: Output): string {
  const lines = Array.isArray(value)
    ? value.length === 0
      ? ['- empty -']
      : value.map((each) => `* ${shown(each, output.colors)}`)
    : [shown(value, output.colors)];
  return lines
    .join('\n')
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

const taskHead = ['id', 'task', 'args', 'kwargs', 'for'] as const;

function isTaskList(value: unknown): value is readonly Record<string, unknown>[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => typeof each === 'object' && each !== null && 'id' in each && 'time_start' in each)
  );
}

function taskRow({ id, name, args, kwargs, time_start }: Record<string, unknown>): readonly string[] {
  const seconds = typeof time_start === 'number' ? Math.max(0, Date.now() / 1000 - time_start) : null;
  return [
    clean(String(id)),
    cut(String(name), 40),
    cut(json(args), 40),
    cut(json(kwargs), 40),
    seconds === null ? '-' : `${seconds.toFixed(1)} s`,
  ];
}

function json(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function cut(text: string, most: number): string {
  const line = clean(text);
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
