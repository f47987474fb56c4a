// Converts a Celery configuration to ours, in TypeScript, and names the settings without a counterpart. Pure.

import { settingNamed } from '../../config/celery-settings.ts';
import { resolveConfig } from '../../config/config.ts';
import { variablesOf } from '../../config/settings.ts';
import { camel } from '../../config/spelling.ts';
import { ConfigError } from '../../errors.ts';
import { redacted } from '../../lib/redact.ts';
import { codeOf, holdsPassword, secondsOf } from './code.ts';
import { newNames } from './old-names.ts';
import type { Assignment } from './python.ts';
import type { PythonValue } from './values.ts';

export interface Converted {
  /** Our name, and its value as TypeScript. */
  readonly settings: readonly {
    readonly name: string;
    readonly code: string;
    readonly line: number;
  }[];
  /** Settings that need manual work, with the reason. */
  readonly missing: readonly { readonly name: string; readonly line: number; readonly why: string }[];
  /** The names that the settings need from `umbel`: `crontab`. */
  readonly imports: readonly string[];
}

export function convert(assignments: readonly Assignment[]): Converted {
  const settings: { name: string; code: string; line: number }[] = [];
  const missing: { name: string; line: number; why: string }[] = [];
  const imports = new Set<string>();
  for (const { name, value: given, line } of assignments) {
    const spelled = celeryName(name);
    const value = spelled === 'task_routes' ? camelMembers(given) : given;
    const meant = meaningOf(spelled, given);
    if (meant.kind === 'not-celery') {
      if (/^CELERY/.test(name)) missing.push({ name, line, why: meant.why });
    } else if (meant.kind === 'refused') missing.push({ name, line, why: meant.why });
    else if (meant.kind === 'setting') {
      const code = codeOf(value, imports, 1);
      const why =
        code === null
          ? `its value has to be run by Python: ${shortened(value)}`
          : problemOf(meant.name, value);
      if (code === null || why !== null) missing.push({ name, line, why: why ?? '' });
      else if (holdsPassword(value)) {
        const [variable] = variablesOf(meant.name);
        const why = 'it holds a password, which is not copied';
        missing.push({
          name,
          line,
          why: variable === undefined ? why : `${why}: set ${variable}, from where it is read`,
        });
      } else settings.push({ name: meant.name, code, line });
    }
  }
  return { settings, missing, imports: [...imports].sort() };
}

/** The converted settings as a module. `source`: the name of the original. */
export function moduleOf({ settings, missing, imports }: Converted, source: string): string {
  const names = ['type AppOptions', ...imports];
  const lines = [
    `// Made by umbel upgrade settings from ${source}.`,
    `import { ${names.join(', ')} } from 'umbel';`,
    '',
    'export const settings: AppOptions = {',
    ...settings.map(({ name, code }) => `  ${name}: ${code},`),
    '};',
  ];
  if (missing.length > 0) {
    lines.push('', '// Not taken over:');
    for (const { name, line, why } of missing)
      lines.push(`//   ${name} (line ${line}): ${why.replace(/\s*\n\s*/g, ' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Changes the options of routes to our names: `routing_key` becomes `routingKey`. */
function camelMembers(value: PythonValue): PythonValue {
  if (value.kind === 'list') return { ...value, items: value.items.map(camelMembers) };
  if (value.kind !== 'dict') return value;
  const entries = value.entries.map(([key, member]) => {
    const option =
      key.kind === 'literal' &&
      typeof key.value === 'string' &&
      /^(?:routing_key|exchange_type)$/.test(key.value);
    const name = option ? { ...key, value: camel(String(key.value)) } : key;
    return [name, camelMembers(member)] as const;
  });
  return { ...value, entries };
}

/** Celery's current name of a setting: `CELERYD_CONCURRENCY` and `CELERY_WORKER_CONCURRENCY` are `worker_concurrency`. */
function celeryName(name: string): string {
  if (name !== name.toUpperCase()) return name;
  const known = newNames[name];
  if (known !== undefined) return known;
  const bare = name.replace(/^CELERY_/, '');
  return newNames[`CELERY_${bare}`] ?? bare.toLowerCase();
}

type Meaning =
  | { readonly kind: 'setting'; readonly name: string }
  | { readonly kind: 'as-usual' }
  | { readonly kind: 'refused' | 'not-celery'; readonly why: string };

function meaningOf(spelled: string, value: PythonValue): Meaning {
  // A name in our own spelling that is not a setting of Celery's is a variable of the program.
  try {
    const name = settingNamed(spelled, value.kind === 'literal' ? value.value : undefined);
    return name === null ? { kind: 'as-usual' } : { kind: 'setting', name };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const why = error.message;
    return { kind: why.startsWith('unknown setting') ? 'not-celery' : 'refused', why };
  }
}

/** Why our setting refuses the value; null: it accepts it, or only the program can tell. */
function problemOf(name: string, value: PythonValue): string | null {
  const plain = plainOf(value);
  if (name === 'include' && Array.isArray(plain) && plain.some((each) => !/^\.{0,2}\//.test(String(each))))
    return "these are modules of Python: name those of your own tasks, like include: ['./tasks.ts']";
  if (plain === undefined || /^(?:broker|backend|beatSchedule)$/.test(name)) return null;
  try {
    resolveConfig({ [name]: plain }, {});
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The value, if Python need not compute any part of it. */
function plainOf(value: PythonValue): unknown {
  switch (value.kind) {
    case 'literal':
      return value.value;
    case 'list': {
      const items = value.items.map(plainOf);
      return items.includes(undefined) ? undefined : items;
    }
    case 'dict': {
      const entries = value.entries.map(([key, member]) => [String(plainOf(key)), plainOf(member)] as const);
      return entries.some(([, member]) => member === undefined) ? undefined : Object.fromEntries(entries);
    }
    case 'call':
      return secondsOf(value) ?? undefined;
    case 'unknown':
      return undefined;
  }
}

function shortened(value: PythonValue): string {
  const source =
    value.kind === 'unknown'
      ? value.source
      : value.kind === 'call'
        ? `${value.name}(…)`
        : 'a part of it is no plain value';
  const line = redacted(source).replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
