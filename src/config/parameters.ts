// The names of a task's parameters, so that a Python caller may pass arguments by position or by name.
import { ConfigError } from '../errors.ts';
import { check } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';

/** The parameters that a task declares. */
export interface ParameterNames {
  readonly names: readonly string[];
  /** How many of them are required; these come first. */
  readonly required: number;
  /** `*`: more positional arguments follow. `**`: an object of all other keyword arguments follows. */
  readonly rest: '*' | '**' | null;
}

/** `['x', 'y', 'z?']`, with `'*rest'` or `'**options'` as the last one. */
export const parameters: Check<readonly string[], ParameterNames> = check(
  "a list of names, as in ['x', 'y?']",
  (given, what) => (Array.isArray(given) ? readParameters(given, what) : undefined),
);

function readParameters(given: readonly unknown[], where: string): ParameterNames {
  const last = /^(\*\*?)[A-Za-z_]\w*$/.exec(String(given.at(-1)))?.[1] ?? null;
  const listed = (last === null ? given : given.slice(0, -1)).map((each) =>
    typeof each === 'string' ? each : '',
  );
  const wrong = listed.findIndex((each) => !/^[A-Za-z_]\w*\??$/.test(each));
  if (wrong >= 0)
    throw new ConfigError(
      `${where}: '${String(given[wrong])}' is no parameter; write 'x', 'x?' for an optional one, and '*x' or '**x' only at the end`,
    );
  const names = listed.map((each) => each.replace('?', ''));
  const required = listed.findIndex((each) => each.endsWith('?'));
  const late = required < 0 ? undefined : listed.slice(required).find((each) => !each.endsWith('?'));
  if (late !== undefined)
    throw new ConfigError(`${where}: '${late}' is required, so it must stand before the optional parameters`);
  if (new Set(names).size < names.length) throw new ConfigError(`${where}: a name occurs twice`);
  return Object.freeze({
    names: Object.freeze(names),
    required: required < 0 ? names.length : required,
    rest: last as '*' | '**' | null, // ensured by the pattern
  });
}
