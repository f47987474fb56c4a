// Reads settings from environment variables: `CELERY_BROKER_URL=redis://…`.
import { parseEnv } from 'node:util';
import type { Assignment } from './python.ts';
import type { PythonValue } from './values.ts';

/** The assignments in a file like `.env`. */
export function assignmentsOfEnv(text: string): readonly Assignment[] {
  const lines = text.split(/\r?\n/);
  return assignmentsOfVariables(parseEnv(text)).map((each) => ({
    ...each,
    line:
      lines.findIndex((line) =>
        line
          .replace(/^\s*export\s+/, '')
          .trimStart()
          .startsWith(`${each.name}=`),
      ) + 1,
  }));
}

/** The assignments of variables that may be Celery's. */
export function assignmentsOfVariables(
  variables: Readonly<Record<string, string | undefined>>,
): readonly Assignment[] {
  return Object.entries(variables)
    .filter(([name]) => /^(?:CELERY|BROKER_)/.test(name))
    .map(([name, text]) => ({ name, value: valueOfText(text ?? ''), line: 0 }));
}

function valueOfText(text: string): PythonValue {
  if (/^(?:true|false)$/i.test(text)) return { kind: 'literal', value: text.toLowerCase() === 'true' };
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return { kind: 'literal', value: Number(text) };
  return { kind: 'literal', value: text };
}
