// The options of a dashboard, one row each.
import { ConfigError } from '../../errors.ts';
import { isLoopbackName } from '../../http/loopback.ts';
import { basePath, listOf, namesOfHosts } from '../../http/option-checks.ts';
import { anyText, asGiven, check, count, flag, flagged, optional, seconds, text } from '../../lib/checks.ts';
import type { Duration } from '../../lib/duration.ts';
import { type Logger, silentLogger } from '../../lib/logger.ts';
import { type Check, field, type Options, type Read, readOptions } from '../../lib/schema.ts';

/** As `basePath`; Flower's lacks the first slash. */
const urlPrefix = check<string>(basePath.expected, (value, what) => {
  const given = anyText.accept(value, what);
  return given === undefined ? undefined : basePath.accept(given.replace(/^(?=[^/])/, '/'), what);
});

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
   * `user:password`: who may log in, each as an admin. Default: none; with no `users` either, everybody who reaches the dashboard is an admin.
   */
  basicAuth: field(listOf('a list of user:password', checkLogin), []),
  /** The file of users, which `umbel flower passwd` writes. It is read again when it changes. */
  users: optional(
    flagged(text, '--users <file>', 'Let these users log in, each in its role (umbel flower passwd).'),
  ),
  /** The path under which it is mounted: `/flower`. Requests come with it. Default: none. */
  urlPrefix: field(flagged(urlPrefix, '--url-prefix <path>', 'Serve it under this path.'), ''),
  /** How long the answers of workers are gathered; default 1 s. */
  inspectTimeout: field(
    flagged(
      milliseconds,
      '--inspect-timeout <ms>',
      'How long the answers of workers are gathered; default 1000.',
    ),
    1,
  ),
  /** How many tasks are held in memory, and listed at once by `/api/tasks`; default 100,000. */
  maxTasks: field(
    flagged(
      count,
      '--max-tasks <number>',
      'Tasks that are held in memory, and listed at once; default 100000.',
    ),
    100_000,
  ),
  /** How many workers are held in memory; default 5,000. */
  maxWorkers: field(
    flagged(count, '--max-workers <number>', 'Workers that are held in memory; default 5000.'),
    5_000,
  ),
  /** Ask workers, again and again, to tell of their tasks. Default true. */
  enableEvents: field(
    flagged(
      switched,
      '--enable-events [boolean]',
      'Ask workers, again and again, to tell of their tasks; default true.',
    ),
    true,
  ),
  /** Upper bounds of the histogram of run times in `/metrics`, seconds; default those of Flower, 0.005 to 10. */
  taskRuntimeMetricBuckets: field(
    flagged(
      bounds,
      '--task-runtime-metric-buckets <seconds>',
      'Upper bounds of the histogram of run times in /metrics: 1,2,5.',
    ),
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  ),
  /** Workers that were silent for so long are left out of `/metrics` and of the API. Default: none are. */
  purgeOfflineWorkers: optional(
    flagged(
      seconds({ from: 0 }),
      '--purge-offline-workers <seconds>',
      'Leave out workers that were silent for so long; default: none.',
    ),
  ),
  /** Nobody may do anything; only look. Default false. */
  readOnly: field(flagged(switched, '--read-only [boolean]', 'Nobody may do anything, only look.'), false),
  /** The file of the audit log. Default: beside the history, `….audit.jsonl`. */
  auditLog: optional(
    flagged(
      text,
      '--audit-log <file>',
      'Keep what was done by whom in this file; default: beside the history.',
    ),
  ),
  /**
   * Names that a request's `Host` may have, besides those of this machine (localhost, 127.0.0.1, [::1]). Default: with a login any name, without one
   * no other: this refuses a web page that points its own name at 127.0.0.1 (DNS rebinding).
   */
  allowedHosts: optional(namesOfHosts),
  /** Allow a dashboard without a login: everybody who reaches it is an admin. For a server that lets nobody else in. Default false. */
  insecure: field(flag, false),
  /** Default: no logging. */
  logger: field(asGiven<Logger>('a logger'), silentLogger),
};

export interface DashboardOptions extends Options<typeof dashboardOptions> {}

/** {@link DashboardOptions}, resolved. `allowedHosts` is null where any name is allowed. */
export type DashboardSettings = Omit<Read<typeof dashboardOptions>, 'insecure'>;

/** @throws ConfigError, UnknownOptionError */
export function resolveOptions(options: DashboardOptions): DashboardSettings {
  const { insecure: _, ...settings } = readOptions(dashboardOptions, options, 'the options of the dashboard');
  return { ...settings, allowedHosts: settings.allowedHosts ?? (hasLogin(options) ? null : []) };
}

/**
 * A dashboard on an address that others can reach must not be open to everybody.
 * @throws ConfigError
 */
export function checkExposure(host: string, options: DashboardOptions): void {
  if (hasLogin(options) || options.insecure === true || isLoopbackName(host)) return;
  throw new ConfigError(
    `the dashboard would be open to everybody who reaches ${host}; give it a login (--basic-auth user:password, or --users FILE), or listen on 127.0.0.1`,
  );
}

/**
 * A dashboard that is mounted must be told who may use it: the names in `Host` stop browsers, not programs.
 * @throws ConfigError
 */
export function checkMounted(options: DashboardOptions): void {
  if (hasLogin(options) || options.insecure === true) return;
  throw new ConfigError(
    'the dashboard would be open to everybody who reaches the server in which it is mounted: give it basicAuth or users, or set { insecure: true } if that server lets nobody else in (it listens on 127.0.0.1, or authenticates its clients)',
  );
}

function hasLogin({ basicAuth = [], users }: DashboardOptions): boolean {
  return basicAuth.length > 0 || users !== undefined;
}

function checkLogin(login: string): string {
  if (/^[^:\p{Cc}]+:\P{Cc}+$/u.test(login)) return login;
  throw new ConfigError('a login is user:password, neither of them empty');
}
