// Flower's ways to write its options: `--url_prefix=flower`, and FLOWER_URL_PREFIX in the environment.
import type { Command } from 'commander';
import { UsageError } from './usage.ts';

/** Who sets one of these relies on a login that is not here. */
const logins = ['FLOWER_AUTH', 'FLOWER_AUTH_PROVIDER', 'FLOWER_OAUTH2_KEY'];

/** Makes it take `--url_prefix` for `--url-prefix`. */
export function withUnderscores(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (argv) =>
    parse(argv.map((word) => word.replace(/^--[a-z\d_]+(?==|$)/i, (name) => name.replaceAll('_', '-'))));
}

/**
 * Completes the options of the command from FLOWER_… variables.
 * @throws UsageError for a value that is wrong, and for a login of Flower's that does not exist here
 */
export function applyFlowerEnvironment(command: Command): void {
  const login = logins.find((name) => process.env[name]);
  if (login !== undefined)
    throw new UsageError(
      `${login} is set, and there is no login by OAuth here; use --users FILE or --basic-auth, or put a proxy in front that logs users in`,
    );
  for (const option of command.options) {
    const key = option.attributeName();
    const variable = `FLOWER_${(option.long ?? '').slice(2).replaceAll('-', '_').toUpperCase()}`;
    const text = process.env[variable];
    if (text === undefined || text === '' || option.hidden || command.getOptionValue(key) !== undefined)
      continue;
    // What Docker and Kubernetes say of a service with the name flower.
    if (variable === 'FLOWER_PORT' && /^tcp:/.test(text)) continue;
    try {
      const value = option.parseArg === undefined ? text : option.parseArg(text, undefined);
      command.setOptionValueWithSource(key, value, 'env');
    } catch (error) {
      throw new UsageError(`${variable}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
