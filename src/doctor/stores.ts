// Checks of the broker: whether it answers, its settings, and its messages.

import type { App } from '../app/app.ts';
import { brokerOptions } from '../config/driver-options.ts';
import { BrokerUnavailable, StoreError } from '../errors.ts';
import { withDeadline } from '../lib/deadline.ts';
import { redacted } from '../lib/redact.ts';
import { RedisConnection } from '../stores/redis/client/connection.ts';
import { isMissingRight } from '../stores/redis/client/errors.ts';
import { redisSettings } from '../stores/redis/client/settings.ts';
import { findDisorder } from '../stores/redis/disorder.ts';
import { dangerousEviction, redisInfo } from '../stores/redis/redis-health.ts';
import { missingRights, shownRights } from '../stores/redis/rights.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Transport } from '../stores/transport.ts';
import { type Finding, listed } from './finding.ts';

/** How long the broker has to answer, milliseconds. */
const deadlineMs = 5000;
/** The smallest reported difference of clocks, milliseconds. It makes tasks with an eta or expires early or late. */
const skewMs = 1000;

export async function examineStores(app: App): Promise<readonly Finding[]> {
  const { broker } = app.config;
  const isRedis = storeNamed(broker)?.name === 'redis';
  let transport: Transport;
  try {
    transport = await within(app.broker());
    await within(transport.size(app.config.taskDefaultQueue));
  } catch (error) {
    // The broker does answer: the checks below find the key or the right at fault.
    const found = isRedis && answered(error) ? await redisOrder(app).catch(() => []) : [];
    if (found.length > 0) return found;
    return [
      {
        check: 'broker',
        level: 'error',
        what: `the broker ${redacted(broker)} does not answer: ${redacted(error instanceof Error ? error.message : String(error))}`,
        why: 'no task can be sent or run',
        fix: 'start it, or correct the URL (UMBEL_BROKER_URL, new App(name, { broker }))',
      },
    ];
  }
  const findings: (Finding | null)[] = isRedis ? [...(await redis(app)), ...(await redisOrder(app))] : [];
  if (!findings.some((finding) => finding?.check === 'keys'))
    findings.unshift(
      await deadLetters(transport),
      await unroutable(transport),
      await historyLag(app, transport),
    );
  return findings.filter((finding) => finding !== null);
}

function answered(error: unknown): boolean {
  if (error instanceof StoreError) return true;
  return (
    error instanceof BrokerUnavailable && error.cause instanceof Error && isMissingRight(error.cause.message)
  );
}

/** A recorder that is away for a restart is no finding. */
const recorderAwayMs = 10 * 60_000;

/** Entries of the history that wait for a recorder that does not come. */
async function historyLag({ config }: App, transport: Transport): Promise<Finding | null> {
  const stream = await transport.openHistoryStream?.({ limit: config.taskHistoryLimit });
  if (stream === undefined) return null;
  const status = await within(stream.status()).finally(() => stream.close());
  if (status === null) return null;
  const { waiting, readers } = status;
  const away = readers.filter(({ seenAt }) => Date.now() - seenAt.getTime() > recorderAwayMs);
  if (away.length === 0 || waiting === 0) return null;
  const seen = away.map(({ id, seenAt }) => `${id} (seen ${seenAt.toISOString()})`);
  return {
    check: 'history',
    level: 'warning',
    what: `${waiting} entries of the history wait in the broker for recorders that are registered and away: ${listed(seen)}`,
    why: 'they take space in the broker, and the oldest are dropped when there are too many',
    fix: 'start umbel recorder; or end the registration: umbel recorder --unregister ID (it ends by itself a week after its recorder was seen)',
  };
}

async function deadLetters({ deadLetters }: Transport): Promise<Finding | null> {
  const count = await within(deadLetters.count());
  if (count === 0) return null;
  const newest = await within(deadLetters.list({ limit: 20 }));
  const reasons = [...new Set(newest.map(({ reason }) => reason))];
  return {
    check: 'dead-letters',
    level: 'warning',
    what: `${count} messages could not be run: ${listed(reasons)}`,
    why: 'their callers may be waiting; they stay until you replay or discard them',
    fix: 'umbel dead list, then umbel dead replay or umbel dead discard',
  };
}

async function unroutable(transport: Transport): Promise<Finding | null> {
  const counts = await within(transport.unroutable?.() ?? Promise.resolve(new Map<string, number>()));
  if (counts.size === 0) return null;
  const names = [...counts].map(([queue, count]) => `${count} for ${queue}`);
  return {
    check: 'unroutable',
    level: 'warning',
    what: `the queues of these future tasks were gone when they were due: ${listed(names)}`,
    why: 'they wait in umbel.unroutable for a worker that serves these queues',
    fix: 'start a worker for them (umbel worker -Q …); if the queues are gone for good, purge umbel.unroutable at RabbitMQ',
  };
}

async function redis(app: App): Promise<(Finding | null)[]> {
  const settings = redisSettings(app.config.broker, 'broker', brokerOptions(app.config));
  await using connection = await RedisConnection.open(settings);
  const options = { timeoutMs: deadlineMs };
  const setting = async (name: string): Promise<string | null> => {
    const reply = await connection.call(['CONFIG', 'GET', name], options).catch(() => null); // CONFIG may be forbidden
    const values = Array.isArray(reply) ? reply : Object.values(reply ?? {});
    return values.length === 0 ? null : String(values.at(-1));
  };
  const info = await redisInfo(connection);
  const policy = info === null ? null : dangerousEviction(info);
  const [appendonly, save] = [await setting('appendonly'), await setting('save')];
  const before = Date.now();
  const time = await connection.call(['TIME'], options);
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  const offMs = (seconds ?? 0) * 1000 + (micros ?? 0) / 1000 - (before + Date.now()) / 2;
  return [
    policy === null
      ? null
      : {
          check: 'eviction',
          level: info?.get('maxmemory') === '0' ? 'warning' : 'error',
          what: `Redis may evict keys when it is full (maxmemory-policy ${policy})`,
          why: 'then it silently deletes queues, leases and results',
          fix: 'CONFIG SET maxmemory-policy noeviction; a cache belongs on another server',
        },
    appendonly === 'no' && save === ''
      ? {
          check: 'persistence',
          level: 'error',
          what: 'Redis keeps nothing on disk (appendonly no, no save)',
          why: 'a restart loses every waiting message',
          fix: 'appendonly yes (appendfsync everysec loses at most a second, always nothing)',
        }
      : appendonly === 'no'
        ? {
            check: 'persistence',
            level: 'warning',
            what: 'Redis writes to disk from time to time only (appendonly no)',
            why: 'a crash loses the messages since the last snapshot, and brings back those that have been run since',
            fix: 'appendonly yes',
          }
        : null,
    Math.abs(offMs) < skewMs
      ? null
      : {
          check: 'clocks',
          level: 'warning',
          what: `the clock of this machine and that of Redis differ by ${(Math.abs(offMs) / 1000).toFixed(1)} s`,
          why: 'tasks with an eta or expires are early or late by that time',
          fix: 'synchronize both with a time server (chrony, systemd-timesyncd)',
        },
  ];
}

/** Checks whether the keys have the types that a worker needs, and whether it has the necessary rights. */
async function redisOrder(app: App): Promise<Finding[]> {
  const settings = redisSettings(app.config.broker, 'broker', brokerOptions(app.config));
  await using connection = await RedisConnection.open(settings);
  const queues = [...app.topology.named, app.config.taskDefaultQueue];
  const missing = await missingRights(connection);
  const { wrong, orphans } = await findDisorder(connection, queues, { timeoutMs: deadlineMs }).catch(
    (error: unknown) => {
      if (missing.length > 0) return { wrong: [], orphans: [] }; // the user may not read the keys
      throw error;
    },
  );
  const findings: Finding[] = [];
  if (missing.length > 0)
    findings.push({
      check: 'rights',
      level: 'error',
      what: shownRights(connection, missing),
      why: 'a worker does not start without them, and a running one waits until it has them',
      fix: 'grant them to the user of the URL; the guide to transports lists all that are needed',
    });
  if (wrong.length > 0)
    findings.push({
      check: 'keys',
      level: 'error',
      what: `keys of Umbel have a wrong type: ${listed(wrong.map(({ key, is, expected }) => `${key} (${is}, should be ${expected})`))}`,
      why: 'the work that needs them stands still: future tasks, or those of dead workers',
      fix: 'find the program that writes them; RENAME each key: workers go on by themselves',
    });
  if (orphans.length > 0)
    findings.push({
      check: 'orphans',
      level: 'warning',
      what: `messages are held for unknown workers: ${listed(orphans)}`,
      why: 'the lists of workers were deleted or overwritten; no worker of these names runs',
      fix: 'a running worker finds them and returns them to their queues; with many keys after a minute or more',
    });
  return findings;
}

/** @throws when there is no answer within `deadlineMs` */
function within<T>(answer: Promise<T>): Promise<T> {
  return withDeadline(deadlineMs, answer, () => new Error(`no answer within ${deadlineMs / 1000} s`));
}
