// Checks that a call of another program has as many arguments as the task's code takes, as far as that can be known.
import { InvalidArgumentsError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { AnyTask, TaskBody } from '../task.ts';

/**
 * A call of another program was not checked by a compiler. Too many arguments fail it, as in Python. When there are too few, the missing
 * ones may be optional: this is logged, once for each task.
 * @throws InvalidArgumentsError
 */
export function checkArity({ name, options, run }: AnyTask, args: readonly unknown[], logger: Logger): void {
  const declared = run === null ? null : parametersOf(run);
  if (run === null || declared === null) return;
  const names = options.bind ? declared.slice(1) : declared;
  if (args.length > names.length)
    throw new InvalidArgumentsError(name, [
      {
        path: '$args',
        message: `takes at most ${names.length} arguments (${names.join(', ')}), ${args.length} given`,
      },
    ]);
  if (args.length === names.length || warned.has(run)) return;
  warned.add(run);
  const missing = names.slice(args.length).join(', ');
  logger.warn(
    { task_name: name },
    `${name} was called from another program without ${missing}, which it sees as undefined; give it a schema (input) if that is wrong`,
  );
}

const warned = new WeakSet<TaskBody>();

/** The parameters' names. Null: there is a default, a rest parameter or a pattern, or the code uses `arguments`. */
export function parametersOf(run: TaskBody): readonly string[] | null {
  const cached = known.get(run);
  if (cached !== undefined) return cached;
  const source = Function.prototype.toString.call(run);
  const list = /\barguments\b|\[native code\]/.test(source) ? undefined : source.match(plainList);
  const names = (list?.[1] ?? list?.[2])?.split(',').map((name) => name.trim());
  const parameters = names?.filter((name) => name !== '') ?? null;
  // A tool that strips types leaves spaces in their place; anything else was misread.
  const read = parameters?.length === run.length ? parameters : null;
  known.set(run, read);
  return read;
}

const known = new WeakMap<TaskBody, readonly string[] | null>();

/** `(x, y) =>`, `async function* name(x, y) {`, `name(x, y) {`, `x =>`. */
const plainList = /^(?:async\b\s*)?(?:function\b)?[\s*]*[\w$]*\s*\(([\w$,\s]*)\)|^(?:async\s+)?([\w$]+)\s*=>/;
