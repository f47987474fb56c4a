// Python's values as TypeScript. Pure.
import { camel } from '../../config/spelling.ts';
import { redacted } from '../../lib/redact.ts';
import type { PythonValue } from './values.ts';

/** A value as TypeScript, indented for `depth` braces. Names that it needs from `umbel` are added to `imports`. Null: Python would have to compute it. */
export function codeOf(value: PythonValue, imports: Set<string>, depth: number): string | null {
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

/** The duration of `timedelta(…)` or `schedule(…)`, in seconds. */
export function secondsOf({ name, args, kwargs }: Call): number | null {
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

/** Reads `os.environ.get('X', 'y')`, `os.environ['X']`, `os.getenv('X')`, and the forms of django-environ and decouple. */
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

/** Whether a URL in the value has a password. */
export function holdsPassword(value: PythonValue): boolean {
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
