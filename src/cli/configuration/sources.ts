// Where the settings of an App come from, for `umbel report`.
import type { App } from '../../app/app.ts';
import { resolveConfig, valueFrom } from '../../config/config.ts';
import { variablesOf } from '../../config/settings.ts';
import { originOf } from './load.ts';

/**
 * The source of each setting: `default`, `code` (the options of `new App`), or the environment variable and its source: `UMBEL_BROKER_URL in
 * .env`. A setting whose value in the code is the default counts as `default`.
 */
export function sourcesOf({ config }: App): Readonly<Record<string, string>> {
  const usual = new Map<string, unknown>(Object.entries(resolveConfig({}, {})));
  const sources: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const names = variablesOf(name);
    const flag = names.map(originOf).find((origin) => origin.startsWith('flag'));
    const variable = names.find((each) => process.env[each]);
    if (flag !== undefined) sources[name] = flag;
    else if (variable !== undefined && isFrom(textOf(variable), value)) sources[name] = sourceOf(variable);
    else if (JSON.stringify(usual.get(name)) === JSON.stringify(value)) sources[name] = 'default';
    else sources[name] = name === 'backend' && value === config.broker ? 'default: the broker' : 'code';
  }
  return sources;
}

/** Undefined: it names a variable that is not set, which matters only where nothing else says the value. */
function textOf(variable: string): string | undefined {
  try {
    return valueFrom(variable, process.env);
  } catch {
    return undefined;
  }
}

/** Whether a variable's text is this value, to which a password may have been added. */
function isFrom(text: string | undefined, value: unknown): boolean {
  return (
    text === value ||
    (typeof value === 'string' && text === value.replace(/:[^/:@]*@/g, '@').replaceAll('//@', '//'))
  );
}

function sourceOf(variable: string): string {
  const origin = originOf(variable);
  return origin === 'environment' ? `environment: ${variable}` : `${origin}: ${variable}`;
}
