import { Command } from 'commander';
import { redacted } from '../../lib/redact.ts';
import { appSpec, type CommonOptions, optionsOf } from '../common.ts';
import { expandPath } from '../log-file.ts';
import { pidOf, startNode, stopNode } from '../multi/daemon.ts';
import { type Node, readNodes } from '../multi/nodes.ts';
import { createOutput, type Output } from '../output.ts';
import { exitCode, UsageError } from '../usage.ts';

const actions = [
  'start',
  'stop',
  'stopwait',
  'restart',
  'kill',
  'status',
  'show',
  'names',
  'get',
  'expand',
] as const;
type Action = (typeof actions)[number];

/** How long `stopwait` and `restart` wait for a worker to finish its tasks, milliseconds. */
const stopWaitMs = 10 * 60_000;

/** `umbel multi`: several workers in the background, with pid and log files. */
export function multiCommand(): Command {
  return new Command('multi')
    .description('Start, stop and restart several workers in the background.')
    .argument('<action>', actions.join(', '))
    .argument('[words...]', 'The workers, then options: those of `umbel worker`, --pidfile, --logfile.')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
Names stand before options. An option may be for some workers: -Q:images photos, -c:1,2 4.
In --pidfile and --logfile %n is the worker's name; default %n.pid and %n.log. 'get NAME' prints the options of one worker,
'expand TEXT' the text for each worker, with its %n.

Examples:
  umbel -A ./app.ts multi start images mails -Q:images photos -c:mails 20
  umbel -A ./app.ts multi start 3 -c 4 --pidfile=run/%n.pid
  umbel -A ./app.ts multi restart 3 -c 4 --pidfile=run/%n.pid
  umbel multi stopwait 3 --pidfile=run/%n.pid`,
    )
    .action((action: string, words: readonly string[], _: unknown, command: Command) =>
      multi(action, words, optionsOf<CommonOptions>(command)),
    );
}

async function multi(given: string, words: readonly string[], options: CommonOptions): Promise<void> {
  const action = actions.find((each) => each === (given === 'stop_verify' ? 'stopwait' : given)); // Celery's old name
  if (action === undefined) throw new UsageError(`there is no '${given}'; there are ${actions.join(', ')}`);
  if (action === 'get' || action === 'expand') return printValues(action, words, createOutput(options));
  const nodes = readNodes(words);
  const output = createOutput(options);
  const before = commonArgs(options);
  const results: { readonly name: string; readonly pid: number | null; readonly done: string }[] = [];
  for (const node of nodes) {
    const done = await carryOut(action, node, before);
    results.push({ name: node.name, pid: pidOf(node), done: done.text });
    if (!done.well) process.exitCode = exitCode.failed;
    printResult(output, node, done);
  }
  output.data(results);
}

/** `get images …` prints the options of a worker; `expand %n.pid …` prints the text for each worker. */
function printValues(action: 'get' | 'expand', [what, ...words]: readonly string[], output: Output): void {
  if (what === undefined)
    throw new UsageError(
      `name a worker or a text: umbel multi ${action} ${action === 'get' ? 'images' : '%n.pid'} images mails`,
    );
  const nodes = readNodes(words);
  const one = nodes.find(({ name }) => name === what || name.split('@')[0] === what);
  if (action === 'get' && one === undefined)
    throw new UsageError(
      `there is no worker '${what}'; there are ${nodes.map(({ name }) => name).join(', ')}`,
    );
  const texts =
    action === 'get' ? [one?.args.join(' ') ?? ''] : nodes.map(({ name }) => expandPath(what, name));
  for (const line of texts) output.say(line);
  output.data(texts);
}

interface Done {
  readonly text: string;
  readonly well: boolean;
}

async function carryOut(
  action: Exclude<Action, 'get' | 'expand'>,
  node: Node,
  before: readonly string[],
): Promise<Done> {
  const pid = pidOf(node);
  switch (action) {
    case 'start':
      return pid === null ? start(node, before) : { text: `runs already, as process ${pid}`, well: false };
    case 'stop':
      if (pid === null) return notThere;
      await stopNode(node, pid, 'SIGTERM', 0);
      return { text: `is asked to stop (${pid})`, well: true };
    case 'stopwait':
      return pid === null ? notThere : stop(node, pid);
    case 'restart': {
      const stopped = pid === null ? null : await stop(node, pid);
      return stopped === null || stopped.well ? start(node, before) : stopped;
    }
    case 'kill':
      if (pid === null) return notThere;
      await stopNode(node, pid, 'SIGKILL', 2000);
      return { text: `was killed (${pid}): other workers get its tasks`, well: true };
    case 'status':
      return pid === null
        ? { text: 'does not run', well: false }
        : { text: `runs, as process ${pid}`, well: true };
    case 'show':
      return { text: redacted(['umbel', ...before, 'worker', ...node.args].join(' ')), well: true };
    case 'names':
      return { text: '', well: true };
  }
}

const notThere: Done = { text: 'does not run', well: true };

async function start(node: Node, before: readonly string[]): Promise<Done> {
  const started = await startNode(node, before);
  return typeof started === 'number'
    ? { text: `started, as process ${started}; its log is ${node.logFile}`, well: true }
    : { text: `did not start: ${started}`, well: false };
}

async function stop(node: Node, pid: number): Promise<Done> {
  const gone = await stopNode(node, pid, 'SIGTERM', stopWaitMs);
  return gone
    ? { text: `stopped (${pid})`, well: true }
    : { text: `has not stopped after ${stopWaitMs / 60_000} minutes (${pid}): 'kill' ends it`, well: false };
}

function printResult(output: Output, { name }: Node, { text, well }: Done): void {
  if (well) output.say(`${output.bold(name)}${text === '' ? '' : `: ${text}`}`);
  else output.note(`${name}: ${text}`);
}

/** Options before `multi`, for its workers. --workdir is not among them: the folder was changed already, and workers inherit it. */
function commonArgs(options: CommonOptions): readonly string[] {
  const { broker, resultBackend } = options;
  const app = appSpec(options);
  return [
    ...(app === undefined ? [] : ['-A', app]),
    ...(broker === undefined ? [] : ['-b', broker]),
    ...(resultBackend === undefined ? [] : ['--result-backend', resultBackend]),
  ];
}
