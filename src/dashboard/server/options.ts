// The options of a dashboard.
import { ConfigError } from '../../errors.ts';
import { isLoopbackName } from '../../http/loopback.ts';
import { basePath, listOf, namesOfHosts } from '../../http/option-checks.ts';
import { anyText, asGiven, check, count, flag, flagged, optional, seconds, text } from '../../lib/checks.ts';
import type { Duration } from '../../lib/duration.ts';
import { type Logger, silentLogger } from '../../lib/logger.ts';
import { type Check, field, type Options, type Read, readOptions } from '../../lib/schema.ts';
import { type OidcSettings, resolveOidc } from './oidc/options.ts';

/** Like `basePath`, but the first slash is optional, as in Flower. */
const urlPrefix = check<string>(basePath.expected, (value, what) => {
  const given = anyText.accept(value, what);
  return given === undefined ? undefined : basePath.accept(given.replace(/^(?=[^/])/, '/'), what);
});

const httpUrl = check<string>(
  'the address of an HTTP API: http://user:password@host:15672/api',
  (value, what) => {
    const given = anyText.accept(value, what);
    return given !== undefined && URL.canParse(given) && /^https?:/.test(given) ? given : undefined;
  },
);

const switched: Check<boolean> = {
  ...flag,
  text: {
    expected: flag.expected,
    read: (text) => (/^(?:true|false)$/i.test(text) ? text.toLowerCase() === 'true' : undefined),
  },
};

const milliseconds: Check<Duration, number> = {
  ...seconds({ above: 0 }),
  text: {
    expected: "milliseconds, as Flower's, or a duration like '2s'",
    read: (text) => (/^\d+$/.test(text) ? Number(text) / 1000 : text),
  },
};

const bounds: Check<readonly number[]> = {
  ...check('a list of ascending numbers above 0', (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (each, at): each is number => Number.isFinite(each) && each > 0 && (at === 0 || each > value[at - 1]),
    )
      ? [...value]
      : undefined,
  ),
  text: { expected: 'ascending numbers above 0, like 1,2,5', read: (text) => text.split(',').map(Number) },
};

export const dashboardOptions = {
  /**
   * Logins `user:password`; each user is an admin. Default: none. Without `basicAuth`, `users` and `oidcIssuer` there is no login, and every client is an admin.
   */
  basicAuth: field(listOf('a list of user:password', checkLogin), []),
  /** The file of users, written by `umbel flower passwd`. It is read again when it changes. */
  users: optional(
    flagged(
      text,
      '--users <file>',
      'File of the users that may log in, with their roles (umbel flower passwd).',
    ),
  ),
  /** The OpenID Connect provider that people log in with: `https://login.example.com`. Default: none. */
  oidcIssuer: optional(
    flagged(text, '--oidc-issuer <url>', 'Let people log in with this OpenID Connect provider.'),
  ),
  /** The id of this dashboard at the provider. */
  oauth2Key: optional(flagged(text, '--oauth2-key <id>', 'The client id at the provider.')),
  /** The client's secret. Default: a public client, with PKCE only. */
  oauth2Secret: optional(
    flagged(text, '--oauth2-secret <secret>', 'The client secret; better as FLOWER_OAUTH2_SECRET.'),
  ),
  /** The public address of the dashboard's page `/login`, as it is registered at the provider. */
  oauth2RedirectUri: optional(
    flagged(text, '--oauth2-redirect-uri <url>', 'The address of /login, as registered at the provider.'),
  ),
  /** E-mails of admins, as Flower's: `a@example.com|b@example.com`, or `.*@example.com`. Then nobody else gets in without a role. */
  auth: optional(
    flagged(text, '--auth <emails>', 'Admins by e-mail: a@x.org|b@x.org, or .*@x.org. Others need a role.'),
  ),
  /** Roles by a claim of the ID token: `groups=ops:operator,leads:admin`. */
  oidcRoles: optional(
    flagged(text, '--oidc-roles <claim=value:role,…>', 'Roles by a claim: groups=ops:operator,leads:admin.'),
  ),
  /** How long a login with the provider lasts, seconds; default 8 hours. */
  sessionLifetime: field(
    flagged(
      seconds({ from: 60 }),
      '--session-lifetime <seconds>',
      'How long a login with the provider lasts; default 28800.',
    ),
    28_800,
  ),
  /** The prefix of all paths: `/flower`. The paths of requests include it. Default: none. */
  urlPrefix: field(flagged(urlPrefix, '--url-prefix <path>', 'Path prefix of the dashboard: /flower.'), ''),
  /** How long the dashboard waits for replies of workers, seconds; default 1. */
  inspectTimeout: field(
    flagged(
      milliseconds,
      '--inspect-timeout <ms>',
      'How long to wait for replies of workers, in milliseconds; default 1000.',
    ),
    1,
  ),
  /** The HTTP API of RabbitMQ's management plugin, `http://guest:guest@localhost:15672/api`, for its memory and connections. Default: none. */
  brokerApi: optional(
    flagged(
      httpUrl,
      '--broker-api <url>',
      "RabbitMQ's HTTP API, for its memory: http://guest:guest@host:15672/api.",
    ),
  ),
  /** Maximum number of tasks in memory, and in one answer of `/api/tasks`; default 100,000. */
  maxTasks: field(
    flagged(
      count,
      '--max-tasks <number>',
      'Maximum number of tasks in memory and in one list; default 100000.',
    ),
    100_000,
  ),
  /** Maximum number of workers in memory; default 5,000. */
  maxWorkers: field(
    flagged(count, '--max-workers <number>', 'Maximum number of workers in memory; default 5000.'),
    5_000,
  ),
  /** Regularly ask all workers to send task events. Default true. */
  enableEvents: field(
    flagged(
      switched,
      '--enable-events [boolean]',
      'Regularly ask all workers to send task events; default true.',
    ),
    true,
  ),
  /** Upper bounds of the run time histogram in `/metrics`, seconds. Default: Flower's bounds, 0.005 to 10. */
  taskRuntimeMetricBuckets: field(
    flagged(
      bounds,
      '--task-runtime-metric-buckets <seconds>',
      'Upper bounds of the run time histogram in /metrics: 1,2,5.',
    ),
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  ),
  /** Workers without events for this time are left out of `/metrics` and of the API. Default: all workers are shown. */
  purgeOfflineWorkers: optional(
    flagged(
      seconds({ from: 0 }),
      '--purge-offline-workers <seconds>',
      'Hide workers that sent no events for this time; default: show all.',
    ),
  ),
  /** Refuse all actions. Default false. */
  readOnly: field(flagged(switched, '--read-only [boolean]', 'Refuse all actions.'), false),
  /** A file that gets a copy of the audit log of this dashboard. Default: none; where no store can keep the log, `….audit.jsonl` beside the history. */
  auditLog: optional(flagged(text, '--audit-log <file>', 'File for a copy of the audit log; default: none.')),
  /**
   * Host names that the `Host` header of a request may have. The names of this machine (localhost, 127.0.0.1, [::1]) are always allowed.
   * Default: with a login, any name; without a login, no other name. This stops DNS rebinding: a web page whose host name points to 127.0.0.1.
   */
  allowedHosts: optional(namesOfHosts),
  /** Allow a dashboard without a login, on a server that restricts access itself. Every client is an admin. Default false. */
  insecure: field(flag, false),
  /** Default: no logging. */
  logger: field(asGiven<Logger>('a logger'), silentLogger),
};

/** Options of a dashboard: who may log in, what it shows. */
export interface DashboardOptions extends Options<typeof dashboardOptions> {}

/** {@link DashboardOptions}, resolved. `allowedHosts` is null where any name is allowed. */
export type DashboardSettings = Omit<Read<typeof dashboardOptions>, 'insecure'> & {
  /** Null: there is no login with a provider. */
  readonly oidc: OidcSettings | null;
};

/** @throws ConfigError, UnknownOptionError */
export function resolveOptions(options: DashboardOptions): DashboardSettings {
  const { insecure: _, ...settings } = readOptions(dashboardOptions, options, 'the options of the dashboard');
  return {
    ...settings,
    allowedHosts: settings.allowedHosts ?? (hasLogin(options) ? null : []),
    oidc: resolveOidc(settings),
  };
}

/**
 * Refuses a dashboard without a login on an address that other machines can reach.
 * @throws ConfigError
 */
export function checkExposure(host: string, options: DashboardOptions): void {
  if (hasLogin(options) || options.insecure === true || isLoopbackName(host)) return;
  throw new ConfigError(
    `the dashboard on ${host} has no login, so every client could use it; add a login (--basic-auth user:password, --users FILE, or --oidc-issuer URL), or listen on 127.0.0.1`,
  );
}

/**
 * Refuses a mounted dashboard without a login, unless `insecure` is set: the check of `Host` stops browsers, but not programs.
 * @throws ConfigError
 */
export function checkMounted(options: DashboardOptions): void {
  if (hasLogin(options) || options.insecure === true) return;
  throw new ConfigError(
    'the mounted dashboard has no login, so every client of the server could use it: set basicAuth, users or oidcIssuer, or set { insecure: true } if the server restricts access itself (it listens on 127.0.0.1, or authenticates its clients)',
  );
}

function hasLogin({ basicAuth = [], users, oidcIssuer }: DashboardOptions): boolean {
  return basicAuth.length > 0 || users !== undefined || oidcIssuer !== undefined;
}

function checkLogin(login: string): string {
  if (/^[^:\p{Cc}]+:\P{Cc}+$/u.test(login)) return login;
  throw new ConfigError('a login must be user:password, and neither part may be empty');
}
