// A Celery configuration as ours, in TypeScript, with what has no counterpart named. Pure.
import { resolveConfig } from '../../app/config.ts';
import { settingNamed } from '../../app/settings.ts';
import { camel } from '../../app/spelling.ts';
import { ConfigError } from '../../errors.ts';
import { redacted } from '../redact.ts';
import { newNames } from './old-names.ts';
import type { Assignment, PythonValue } from './python.ts';

export interface Converted {
  /** Our name, and its value as TypeScript. */
  readonly settings: readonly {
    readonly name: string;
    readonly code: string;
    readonly line: number;
  }[];
  /** What has to be looked at by hand, and why. */
  readonly missing: readonly { readonly name: string; readonly line: number; readonly why: string }[];
  /** Of `umbel` and what the settings use: `crontab`. */
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
        const variable = variables[meant.name];
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

/** The converted settings as a module. `source`: where they are from. */
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

/** The options of routes are ours: `routing_key` is `routingKey`. */
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

/** `CELERYD_CONCURRENCY`, `CELERY_WORKER_CONCURRENCY` and `worker_concurrency` are one. */
function celeryName(name: string): string {
  if (name !== name.toUpperCase()) return name;
  const known = newNames[name];
  if (known !== undefined) return known;
  const bare = name.replace(/^CELERY_/, '');
  return newNames[`CELERY_${bare}`] ?? bare.toLowerCase();
}

/** Where an App looks when its settings do not say. */
const variables: Readonly<Record<string, string>> = {
  broker: 'UMBEL_BROKER_URL',
  backend: 'UMBEL_RESULT_BACKEND',
};

type Meaning =
  | { readonly kind: 'setting'; readonly name: string }
  | { readonly kind: 'as-usual' }
  | { readonly kind: 'refused' | 'not-celery'; readonly why: string };

function meaningOf(spelled: string, value: PythonValue): Meaning {
  // A word of our own spelling (`app`, `timezone`) that is no setting of Celery's is a variable of the program.
  try {
    const name = settingNamed(spelled, value.kind === 'literal' ? value.value : undefined);
    return name === null ? { kind: 'as-usual' } : { kind: 'setting', name };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const why = error.message;
    return { kind: why.startsWith('unknown setting') ? 'not-celery' : 'refused', why };
  }
}

/** Why our setting does not take the value; null: it does, or only the program will know. */
function problemOf(name: string, value: PythonValue): string | null {
  const plain = plainOf(value);
  if (plain === undefined || /^(?:broker|backend|beatSchedule)$/.test(name)) return null;
  try {
    resolveConfig({ [name]: plain }, {});
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The value, where nothing of it has to be run. */
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

function holdsPassword(value: PythonValue): boolean {
  if (value.kind === 'literal')
    return typeof value.value === 'string' && redacted(value.value) !== value.value;
  if (value.kind === 'list') return value.items.some(holdsPassword);
  if (value.kind === 'dict')
    return value.entries.some(
      ([key, member]) =>
        holdsPassword(member) ||
        (key.kind === 'literal' &&
          /passw|secret|token/i.test(String(key.value)) &&
          member.kind === 'literal' &&
          member.value !== null),
    );
  return value.kind === 'call' && [...value.args, ...Object.values(value.kwargs)].some(holdsPassword);
}

/** As TypeScript; null: it would have to be run. */
function codeOf(value: PythonValue, imports: Set<string>, depth: number): string | null {
  switch (value.kind) {
    case 'literal':
      return typeof value.value === 'string' ? quoted(value.value) : String(value.value);
    case 'list': {
      const items = value.items.map((item) => codeOf(item, imports, depth + 1));
      return items.includes(null) ? null : `[${items.join(', ')}]`;
    }
    case 'dict': {
      const indent = '  '.repeat(depth);
      const entries = value.entries.map(([key, member]) => {
        const name = codeOf(key, imports, depth);
        const code = codeOf(member, imports, depth + 1);
        return name === null || code === null
          ? null
          : `${indent}  ${/^'[A-Za-z_$][\w$]*'$/.test(name) ? name.slice(1, -1) : name}: ${code},`;
      });
      if (entries.includes(null)) return null;
      return entries.length === 0 ? '{}' : `{\n${entries.join('\n')}\n${indent}}`;
    }
    case 'call':
      return callCode(value, imports, depth);
    case 'unknown':
      return null;
  }
}

type Call = Extract<PythonValue, { kind: 'call' }>;

function callCode(call: Call, imports: Set<string>, depth: number): string | null {
  const seconds = secondsOf(call);
  if (seconds !== null) return String(seconds);
  const name = call.name.slice(call.name.lastIndexOf('.') + 1);
  const variable = environmentOf(call);
  if (variable !== null) {
    if (!/^[A-Za-z_]\w*$/.test(variable.name)) return null;
    if (variable.otherwise === null) return `process.env.${variable.name} ?? ''`;
    if (holdsPassword(variable.otherwise)) return `process.env.${variable.name} ?? ''`;
    const otherwise = codeOf(variable.otherwise, imports, depth);
    return otherwise === null ? null : `process.env.${variable.name} ?? ${otherwise}`;
  }
  if (name === 'crontab') {
    const fields = ['minute', 'hour', 'day_of_week', 'day_of_month', 'month_of_year'];
    const given = {
      ...Object.fromEntries(call.args.map((arg, at) => [fields[at] ?? '', arg])),
      ...call.kwargs,
    };
    if (Object.keys(given).some((field) => !fields.includes(field))) return null;
    imports.add('crontab');
    return objectCall('crontab', given, imports, depth);
  }
  if (name === 'Queue' || name === 'Broadcast') return queueCode(call, name === 'Broadcast', imports, depth);
  if (name === 'Exchange') {
    const [exchange, type] = call.args;
    return objectCall(
      '',
      { ...(exchange && { name: exchange }), ...(type && { type }), ...call.kwargs },
      imports,
      depth,
    );
  }
  return null;
}

function queueCode(
  { args, kwargs }: Call,
  broadcast: boolean,
  imports: Set<string>,
  depth: number,
): string | null {
  const [name, exchange, key] = args;
  return objectCall(
    '',
    {
      ...(name && { name }),
      ...(exchange && { exchange }),
      ...(key && { routing_key: key }),
      ...kwargs,
      ...(broadcast && { broadcast: { kind: 'literal', value: true } as const }),
    },
    imports,
    depth,
  );
}

function objectCall(
  callee: string,
  members: Readonly<Record<string, PythonValue>>,
  imports: Set<string>,
  depth: number,
): string | null {
  const parts = Object.entries(members).map(([name, member]) => {
    const code = codeOf(member, imports, depth);
    return code === null ? null : `${camel(name)}: ${code}`;
  });
  if (parts.includes(null)) return null;
  const body = parts.length === 0 ? '' : `{ ${parts.join(', ')} }`;
  return callee === '' ? body || '{}' : `${callee}(${body})`;
}

const unitSeconds: Readonly<Record<string, number>> = {
  weeks: 604_800,
  days: 86_400,
  hours: 3600,
  minutes: 60,
  seconds: 1,
  milliseconds: 0.001,
};

/** `timedelta(…)` and `schedule(…)`, in seconds. */
function secondsOf({ name, args, kwargs }: Call): number | null {
  if (/(?:^|\.)schedule$/.test(name)) {
    const every = kwargs.run_every ?? args[0];
    if (every?.kind === 'call') return secondsOf(every);
    return every?.kind === 'literal' && typeof every.value === 'number' ? every.value : null;
  }
  if (!/(?:^|\.)timedelta$/.test(name)) return null;
  const given = {
    ...Object.fromEntries(args.map((arg, at) => [['days', 'seconds'][at] ?? '', arg])),
    ...kwargs,
  };
  let seconds = 0;
  for (const [unit, value] of Object.entries(given)) {
    const factor = unitSeconds[unit];
    if (factor === undefined || value?.kind !== 'literal' || typeof value.value !== 'number') return null;
    seconds += value.value * factor;
  }
  return seconds;
}

/** `os.environ.get('X', 'y')`, `os.environ['X']`, `os.getenv('X')`, django-environ's and decouple's. */
function environmentOf({ name, args, kwargs }: Call): { name: string; otherwise: PythonValue | null } | null {
  if (
    !/^(?:os\.environ\.get|environ\.get|os\.getenv|getenv|os\.environ\[\]|environ\[\]|env|env\.str|config)$/.test(
      name,
    )
  )
    return null;
  const [variable, otherwise] = args;
  if (variable?.kind !== 'literal' || typeof variable.value !== 'string') return null;
  return { name: variable.value, otherwise: otherwise ?? kwargs.default ?? null };
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;
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
