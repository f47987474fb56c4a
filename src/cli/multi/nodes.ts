// Celery's syntax for several workers: names, options for all workers, and options for one worker (`-Q:images photos`). Pure.
import { hostname } from 'node:os';
import { expandPath } from '../log-file.ts';
import { UsageError } from '../usage.ts';

export interface Node {
  /** `images@host`. */
  readonly name: string;
  readonly pidFile: string;
  readonly logFile: string;
  /** The options for its `umbel worker`. */
  readonly args: readonly string[];
}

interface Option {
  readonly flag: string;
  readonly value: string | null;
  /** The names or numbers of the workers that get the option; null: all workers. */
  readonly only: readonly string[] | null;
}

/** Celery's options for its own output, which have no value. */
const quiet = ['--nosplash', '--quiet', '--verbose', '--no-color'];
/** Options of `multi` itself. */
const own = ['--pidfile', '--logfile', '--suffix', '--hostname', '--range-prefix', ...quiet];

/**
 * Reads `images 3 -c 4 -Q:images photos --pidfile=/run/%n.pid`. A number alone means that many workers, `celery1` to `celeryN`.
 * @throws UsageError
 */
export function readNodes(words: readonly string[], host: string = hostname()): readonly Node[] {
  const names: string[] = [];
  const options: Option[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) {
      names.push(word);
      continue;
    }
    const [given = '', joined] = word.startsWith('--') ? split(word, '=') : [word];
    const [flag = '', targets] = split(given, ':');
    const next = words[at + 1];
    // The next word is the option's value, unless it is an option itself: names stand before the options.
    const value =
      joined ?? (next === undefined || next.startsWith('-') || quiet.includes(flag) ? null : next);
    if (joined === undefined && value !== null) at++;
    options.push({ flag, value, only: targets === undefined ? null : targets.split(',').flatMap(range) });
  }
  const optionOf = (flag: string, otherwise: string): string =>
    options.findLast((option) => option.flag === flag)?.value ?? otherwise;
  const foreign = options.find(({ flag }) => flag in refused)?.flag;
  if (foreign !== undefined) throw new UsageError(`there is no ${foreign} here; ${refused[foreign]}`);
  const suffix = optionOf('--suffix', optionOf('--hostname', host));
  const all = expand(names, optionOf('--range-prefix', 'celery'));
  const unknown = options.flatMap(({ only }) => only ?? []).find((one) => !isOne(one, all));
  if (unknown !== undefined)
    throw new UsageError(
      `an option is for '${unknown}', and there is no such worker; there are ${all.join(', ')}`,
    );
  return all.map((short, index) => {
    const name = short.includes('@') ? short : `${short}@${suffix}`;
    const path = (pattern: string): string => expandPath(pattern, name);
    const mine = options.filter(
      ({ flag, only }) =>
        !own.includes(flag) &&
        (only === null || only.some((target) => [short, before(short), String(index + 1)].includes(target))),
    );
    return {
      name,
      pidFile: path(optionOf('--pidfile', '%n.pid')),
      logFile: path(optionOf('--logfile', '%n.log')),
      args: ['-n', name, ...mine.flatMap(({ flag, value }) => (value === null ? [flag] : [flag, value]))],
    };
  });
}

/** Celery's options that a process manager replaces. */
const refused: Readonly<Record<string, string>> = {
  '--cmd': "it starts 'umbel worker'; 'show' prints the commands for another process manager",
  '--executable': 'it starts the Node that runs it',
  '--append': 'options are enough, or start the worker by itself',
  '--prefix': 'name the workers, or use --range-prefix',
};

/** `1-3` is `1`, `2`, `3`. */
function range(target: string): readonly string[] {
  const [, from, to] = /^(\d{1,4})-(\d{1,4})$/.exec(target) ?? [];
  if (from === undefined || to === undefined) return [target];
  if (Number(from) > Number(to))
    throw new UsageError(`'${target}' is not a range: write the lower number first`);
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, n) => String(Number(from) + n));
}

function expand(names: readonly string[], prefix: string): readonly string[] {
  const [only = ''] = names;
  const count = names.length === 1 && /^\d+$/.test(only) ? Number(only) : null;
  if (count !== null && count > 0 && count <= 1000)
    return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
  if (names.length === 0)
    throw new UsageError('name the workers or give their number: umbel multi start images mails');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`the worker '${twice}' is named twice`);
  return names;
}

function isOne(target: string, names: readonly string[]): boolean {
  return (
    names.some((name) => name === target || before(name) === target) ||
    (/^\d+$/.test(target) && Number(target) >= 1 && Number(target) <= names.length)
  );
}

/** The name before the host. */
function before(name: string): string {
  return name.split('@')[0] ?? name;
}

function split(text: string, at: string): [string] | [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}
