// Commands that only read.

import { freemem, platform, release, totalmem } from 'node:os';
import type { AnyTask } from '../../app/task.ts';
import { signatureOf } from '../../app/task-parameters.ts';
import { decodeOptions } from '../../config/config.ts';
import { version } from '../../lib/version.ts';
import type { Json } from '../../protocol/message.ts';
import { signatureItem } from '../../protocol/registered-task.ts';
import { decodeTask } from '../../protocol/task.ts';
import { formatTimestamp } from '../../protocol/timestamp.ts';
import { describeMessage, queueInfo, settingsOf, taskInfo } from './describe.ts';
import { type Command, CommandError, flagOf, type Panel, textsOf } from './panel.ts';
import { statsOf } from './stats.ts';

export const ping: Command = () => ({ ok: 'pong' });

export const active: Command = (panel, args) => activeTasks(panel, flagOf(args, 'safe'));

export const reserved: Command = (panel) => reservedTasks(panel);

/** The messages that are due next, whether they wait for an eta, a retry or a limit: from the store, if it can list them. */
export const scheduled: Command = async (panel) => {
  const { deferred, sources, revocations } = panel;
  const waiting = await deferred.next(sources.queues);
  return waiting
    .filter(({ message }) => !revocations.has(message))
    .map(({ queue, due, message }) => ({
      eta: formatTimestamp(due),
      priority: message.priority,
      request: describeMessage(panel, message, { queue, redelivered: false, startedAt: null, safe: false }),
    }));
};

export const queryTask: Command = (panel, args) => {
  const wanted = new Set(textsOf(args, 'ids'));
  const found: Record<string, readonly [string, Json]> = {};
  for (const info of reservedTasks(panel))
    if (wanted.has(String(info.id))) found[String(info.id)] = ['reserved', info];
  for (const info of activeTasks(panel, false))
    if (wanted.has(String(info.id))) found[String(info.id)] = ['active', info];
  return found;
};

export const registered: Command = (panel, args) => {
  const { taskinfoitems } = args;
  const builtins = flagOf(args, 'builtins');
  const given: readonly unknown[] = Array.isArray(taskinfoitems) ? taskinfoitems : [];
  const items = given.length > 0 ? given.map(String) : ['exchange', 'routing_key', 'rate_limit'];
  return panel.app.tasks
    .names()
    .filter((name) => builtins || !name.startsWith('celery.'))
    .filter((name) => panel.app.tasks.get(name)?.run)
    .sort()
    .map((name) => {
      const task = panel.app.tasks.get(name);
      const about = task === undefined ? [] : items.map((item) => [item, attribute(panel, task, item)]);
      const known = about.filter(([, value]) => value !== null && value !== undefined);
      return known.length === 0
        ? name
        : `${name} [${known.map(([item, value]) => `${item}=${String(value)}`).join(' ')}]`;
    });
};

export const activeQueues: Command = ({ app, sources }) =>
  sources.queues.map((name) => ({
    ...queueInfo(app, name),
    ...(sources.paused.has(name) && { paused: true }), // not in Celery: there, and where nothing is paused, there is no such member
  }));

export const revoked: Command = ({ revocations }) => revocations.ids;

export const stats: Command = (panel) => statsOf(panel);

export const conf: Command = ({ app }, args) => settingsOf(app, flagOf(args, 'with_defaults'));

export const report: Command = ({ app, name, pool }) => ({
  ok: [
    `software -> umbel:${version} node:${process.versions.node}`,
    `platform -> system:${platform()} ${release()} arch:${process.arch}`,
    `worker -> ${name} pid:${process.pid} pool:${pool.name}`,
    '',
    ...Object.entries(settingsOf(app, false)).map(
      ([setting, value]) => `${setting}: ${JSON.stringify(value)}`,
    ),
  ].join('\n'),
});

export const clock: Command = ({ lamport }) => ({ clock: lamport.value });

export const memsample: Command = () => {
  const { rss, heapUsed } = process.memoryUsage();
  const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)}MB`;
  return `rss ${mb(rss)}, heap ${mb(heapUsed)}, free ${mb(freemem())} of ${mb(totalmem())}`;
};

export const memdump: Command = () => {
  throw new CommandError('ValueError', 'a snapshot of the heap: start the worker with --heapsnapshot-signal');
};

/** A worker that starts asks what the others know. */
export const hello: Command = ({ name, revocations, lamport }, { from_node, revoked }) => {
  if (from_node === name) return null;
  if (typeof revoked === 'object' && revoked !== null) revocations.learn(Object.keys(revoked));
  return { revoked: revokedTimes(revocations.ids), clock: lamport.forward() };
};

/** For Python's workers: the times must be written as fractions. */
export function revokedTimes(ids: readonly string[]): Json {
  const time = Math.floor(performance.now() / 1000) + 0.5;
  return Object.fromEntries(ids.map((id) => [id, [time, id]]));
}

function activeTasks(panel: Panel, safe: boolean): readonly Json[] {
  return [...panel.active.running].map(([run, startedAt]) => taskInfo(panel, run.request, startedAt, safe));
}

function reservedTasks(panel: Panel): readonly Json[] {
  const running = new Set([...panel.active.running.keys()].map((run) => run.message.id));
  const options = decodeOptions(panel.app.config);
  const found: Json[] = [];
  for (const { message, queue, redelivered } of panel.active.inHand) {
    const read = message.ok ? decodeTask(message.value, options) : message;
    if (!read.ok || running.has(read.value.id)) continue;
    found.push(describeMessage(panel, read.value, { queue, redelivered, startedAt: null, safe: false }));
  }
  return found;
}

/** An attribute of a task, by Celery's name. */
function attribute({ rateLimits, timeLimits }: Panel, task: AnyTask, item: string): unknown {
  const { name, options } = task;
  switch (item) {
    case 'rate_limit': {
      const rate = rateLimits.rateOf(name, options.rateLimit);
      return rate === null ? null : rateText(rate);
    }
    case 'routing_key':
    case 'queue':
      return options.queue;
    case 'time_limit':
      return timeLimits.get(name)?.hard ?? options.timeLimit;
    case 'soft_time_limit':
      return timeLimits.get(name)?.soft ?? options.softTimeLimit;
    case 'max_retries':
      return options.maxRetries;
    case 'acks_late':
      return options.acksLate;
    case 'ignore_result':
      return options.ignoreResult;
    case 'track_started':
      return options.trackStarted;
    case 'serializer':
      return options.serializer;
    case 'priority':
      return options.priority;
    case signatureItem: // not in Celery, whose workers leave out what they do not know
      return signatureOf(task);
    default:
      return null;
  }
}

/** In the unit in which it is a whole number, so that `100/m` is read as it was written. */
function rateText(rate: number): string {
  for (const [unit, seconds] of [
    ['s', 1],
    ['m', 60],
    ['h', 3_600],
  ] as const) {
    const starts = Math.round(rate * seconds);
    if (starts >= 1 && Math.abs(starts - rate * seconds) < 1e-9) return `${starts}/${unit}`;
  }
  return `${Math.round(rate * 3_600_000) / 1000}/h`;
}
