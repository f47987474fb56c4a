// The options of a dashboard, one row each.
import { ConfigError } from '../../errors.ts';
import { isLoopbackName } from '../../http/loopback.ts';
import { basePath, namesOfHosts } from '../../http/option-checks.ts';
import { asGiven, count, flag, optional, seconds } from '../../lib/checks.ts';
import { type Logger, silentLogger } from '../../lib/logger.ts';
import { field, type Options, type Read, readOptions } from '../../lib/schema.ts';

const dashboardOptions = {
  /** The path under which it is mounted: `/flower`. Requests come with it. Default: none. */
  urlPrefix: field(basePath, ''),
  /** How long the answers of workers are gathered; default 1 s. */
  inspectTimeout: field(seconds({ above: 0 }), 1),
  /** How many tasks are held in memory, and listed at once by `/api/tasks`; default 100,000. */
  maxTasks: field(count, 100_000),
  /** How many workers are held in memory; default 5,000. */
  maxWorkers: field(count, 5_000),
  /** Ask workers, again and again, to tell of their tasks. Default true. */
  enableEvents: field(flag, true),
  /** Nobody may do anything; only look. Default false. */
  readOnly: field(flag, false),
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
  return { ...settings, allowedHosts: settings.allowedHosts ?? [] };
}

/**
 * A dashboard on an address that others can reach must not be open to everybody.
 * @throws ConfigError
 */
export function checkExposure(host: string, { insecure = false }: DashboardOptions): void {
  if (insecure || isLoopbackName(host)) return;
  throw new ConfigError(`the dashboard would be open to everybody who reaches ${host}: listen on 127.0.0.1`);
}

/**
 * A dashboard that is mounted must be told who may use it: the names in `Host` stop browsers, not programs.
 * @throws ConfigError
 */
export function checkMounted({ insecure = false }: DashboardOptions): void {
  if (insecure) return;
  throw new ConfigError(
    'the dashboard would be open to everybody who reaches the server in which it is mounted: set { insecure: true } if that server lets nobody else in (it listens on 127.0.0.1, or authenticates its clients)',
  );
}
