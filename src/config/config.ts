// Reads the settings of an application: from the given options, the environment, and the defaults.

import { randomUUID } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { type Given, type Read, readFields } from '../lib/schema.ts';
import type { DecodeTaskOptions } from '../protocol/task.ts';
import { type Store, storeNamed, storeOf } from '../stores/registry.ts';
import { type CelerySpelling, settingNamed } from './celery-settings.ts';
import { Topology } from './queues.ts';
import { settings, variablesOf } from './settings.ts';

/** The settings as a user writes them. Durations are seconds, or text like `'10m'`. */
export interface Settings extends Given<typeof settings> {}

/** Options of `new App(name, options)`: any of the {@link Settings}, in our spelling or Celery's (`task_default_queue`). */
export type AppOptions = Partial<Settings> & CelerySpelling<Settings>;

/** Settings that are parts of a URL: a {@link Config} has them only there, where every output hides them. */
type InUrls = 'brokerPassword' | 'resultBackendPassword';

/** The settings, complete, checked and frozen. Durations are seconds, rates are starts per second. */
export interface Config extends Omit<Read<typeof settings>, InUrls> {}

/** What a reader of messages accepts, and its limits. */
export function decodeOptions(config: Config): Required<DecodeTaskOptions> {
  const { acceptContent: accept, acceptCompression, maxMessageSize: maxSize } = config;
  return { accept, acceptCompression, maxSize };
}

/** Environment variables, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings: from `given`, else the environment (`UMBEL_BROKER_URL`, `UMBEL_RESULT_BACKEND`, then
 * `CELERY_BROKER_URL`, `CELERY_RESULT_BACKEND`), else the defaults.
 * @throws ConfigError for a setting that is unknown, unsupported, contradictory or out of range.
 */
export function resolveConfig(options: AppOptions = {}, environment: Environment = process.env): Config {
  const given = namedSettings(options);
  const find = (name: string): GivenSetting => given.get(name) ?? fromEnvironment(name, environment);
  const { brokerPassword, resultBackendPassword, ...read } = readFields(
    settings,
    (name) => find(name).value,
    (name) => find(name).what,
  );
  const urls = privateMemory(read.broker).split(';');
  checkAlternatives(urls);
  const broker = urls.map((url) => withPassword(url, brokerPassword, storeOf(url, 'broker'))).join(';');
  const backend =
    find('backend').value !== undefined
      ? backendUrl(read.backend, broker, resultBackendPassword)
      : keepsResults(broker)
        ? broker
        : null;
  const config: Config = { ...read, broker, backend };
  checkLimits('the configuration', config.taskTimeLimit, config.taskSoftTimeLimit);
  new Topology(config.taskQueues, config); // throws for queues that are wrong
  return Object.freeze(config);
}

/** The given settings, by our names. */
function namedSettings(options: object): ReadonlyMap<string, GivenSetting> {
  const given = new Map<string, GivenSetting & { readonly spelled: string }>();
  for (const [spelled, value] of Object.entries(options)) {
    const name = settingNamed(spelled, value);
    if (value === undefined || name === null) continue;
    const before = given.get(name);
    if (before !== undefined && !isSame(before.value, value)) {
      throw new ConfigError(
        `'${before.spelled}' and '${spelled}' are the same setting and have different values; remove one`,
      );
    }
    given.set(name, { value, spelled, what: `'${spelled}'` });
  }
  return given;
}

interface GivenSetting {
  readonly value: unknown;
  /** The name for errors, in the user's spelling. */
  readonly what: string;
}

function fromEnvironment(name: string, environment: Environment): GivenSetting {
  const variable = variablesOf(name).find((each) => environment[each]);
  return { value: variable && valueFrom(variable, environment), what: variable ?? name };
}

/**
 * The value of a variable. `${REDIS_PASSWORD}` within a URL is that variable: so Docker Compose and Python's dotenv read `.env`, and Node's own reader does not.
 * A password that stands by itself may have any characters.
 * @throws ConfigError when that is not set
 */
export function valueFrom(variable: string, environment: Environment): string | undefined {
  const text = environment[variable];
  if (text === undefined || !/^[a-z][\w+.-]*:\/\//i.test(text)) return text;
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = environment[name];
    if (value === undefined)
      throw new ConfigError(`${variable} names the variable ${name}, which is not set`);
    return value;
  });
}

/** @throws ConfigError when the hard limit would end each task before the soft limit. */
export function checkLimits(where: string, hard: number | null, soft: number | null): void {
  if (hard !== null && soft !== null && soft > hard) {
    throw new ConfigError(
      `${where}: the soft time limit (${soft} s) is above the hard one (${hard} s); lower it or raise the hard one`,
    );
  }
}

/** `memory://` without a name is private, so it gets a unique name. */
function privateMemory(url: string): string {
  return isBareMemory(url) ? `memory://${randomUUID()}` : url;
}

function backendUrl(url: string | null, broker: string, password: string | null): string | null {
  if (url === null || url === 'disabled' || url === 'disabled://') return null;
  const store = storeOf(url, 'backend');
  if (!isBareMemory(url)) return withPassword(url, password, store);
  return storeNamed(broker)?.name === 'memory' ? broker : privateMemory(url);
}

function isBareMemory(url: string): boolean {
  return url === 'memory://' || url === 'memory:///';
}

/** Whether the broker's store keeps results as well. */
function keepsResults(broker: string): boolean {
  return storeNamed(broker)?.openBackend !== undefined;
}

/** The URL of a server with this password, unless it has its own. */
function withPassword(url: string, password: string | null, { embedded, resultsAreMessages }: Store): string {
  if (password === null || embedded || resultsAreMessages) return url;
  return url.replace(/^([^:]+:\/\/)(?:([^/?@]*)@)?/, (all, scheme: string, login = '') =>
    login.includes(':') ? all : `${scheme}${login}:${encodeURIComponent(password)}@`,
  );
}

/** Several URLs are for brokers on a network, which replace each other; an embedded store is a single file. */
function checkAlternatives(urls: readonly string[]): void {
  if (urls.length > 1 && urls.some((url) => storeNamed(url)?.embedded))
    throw new ConfigError('broker: several URLs are for brokers on a network; an embedded store is one');
}

function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  return (
    Array.isArray(one) &&
    Array.isArray(other) &&
    one.length === other.length &&
    one.every((item, index) => Object.is(item, other[index]))
  );
}
