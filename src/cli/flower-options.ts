// Flower's ways to write its options: `--url_prefix=flower`, and FLOWER_URL_PREFIX in the environment.
import type { Command } from 'commander';
import { UsageError } from './usage.ts';

/** Makes it take `--url_prefix` for `--url-prefix`. */
export function withUnderscores(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (argv) =>
    parse(argv.map((word) => word.replace(/^--[a-z\d_]+(?==|$)/i, (name) => name.replaceAll('_', '-'))));
}

/**
 * Completes the options of the command from FLOWER_… variables.
 * @throws UsageError for a value that is wrong
 */
export function applyFlowerEnvironment(command: Command): void {
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

/**
 * The issuer that one of Flower's classes of providers stands for.
 * @throws UsageError for a class that is unknown, or a provider that does not speak OpenID Connect
 */
export function issuerOfProvider(className: string, env: NodeJS.ProcessEnv): string {
  const name = className.split('.').at(-1);
  switch (name) {
    case 'GoogleAuth2LoginHandler':
      return 'https://accounts.google.com';
    case 'GitLabLoginHandler':
      if (env.FLOWER_GITLAB_AUTH_ALLOWED_GROUPS)
        throw new UsageError(
          "FLOWER_GITLAB_AUTH_ALLOWED_GROUPS has no effect here; map groups to roles: --oidc-roles 'groups_direct=my-group:admin'",
        );
      return `https://${env.FLOWER_GITLAB_OAUTH_DOMAIN || 'gitlab.com'}`;
    case 'OktaLoginHandler':
      // Flower's base is https://x.okta.com/oauth2 or https://x.okta.com/oauth2/default.
      if (env.FLOWER_OAUTH2_OKTA_BASE_URL)
        return env.FLOWER_OAUTH2_OKTA_BASE_URL.replace(/\/$/, '').replace(/\/oauth2$/, '');
      throw new UsageError('OktaLoginHandler needs FLOWER_OAUTH2_OKTA_BASE_URL, or use --oidc-issuer URL');
    case 'GithubLoginHandler':
      throw new UsageError(
        'GitHub is no OpenID Connect provider; put one in front of it (Dex, Keycloak) and name it by --oidc-issuer URL',
      );
    default:
      throw new UsageError(`unknown --auth-provider '${className}'; use --oidc-issuer URL`);
  }
}
