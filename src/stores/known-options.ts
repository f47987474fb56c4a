import { ConfigError } from '../errors.ts';
import { suggest } from '../lib/suggest.ts';
import type { DriverOptions } from './registry.ts';

/** `what`: the setting that names the store. @throws ConfigError for an option that this store does not know */
export function requireKnownOptions(
  driver: DriverOptions,
  known: readonly string[],
  store: string,
  what: string,
): void {
  for (const name of Object.keys(driver)) {
    if (known.includes(name)) continue;
    const hint = suggest(name, known);
    const way = hint === undefined ? '' : `; did you mean '${hint}'?`;
    throw new ConfigError(`${what}: ${store} knows no option '${name}'${way}`);
  }
}
