// Commands that change something.
import { constants } from 'node:os';
import { parseRate } from '../../config/rate.ts';
import { ConfigError, UmbelError } from '../../errors.ts';
import type { Json } from '../../protocol/message.ts';
import { saferepr } from '../../protocol/saferepr.ts';
import {
  checkRevocations,
  stampRevocation,
  taskRevocation,
  workflowRevocation,
} from '../../stores/fanout.ts';
import {
  type Command,
  CommandError,
  countOf,
  flagOf,
  noReply,
  type Panel,
  secondsOf,
  textOf,
  textsOf,
} from './panel.ts';

const maxConcurrency = 100_000;
const electionMs = 500;
/** The candidate with the earliest clock wins. */
const farBehind = 2 ** 32;
const ok = (text: string): Json => ({ ok: text });
const nok = (text: string): Json => ({ error: text });

export const revoke: Command = async (panel, args) => {
  const ids = [...new Set(textsOf(args, 'task_id'))];
  const signum = flagOf(args, 'terminate') ? signalNumber(args.signal) : null;
  const revocations = revocationsOf(ids.map(taskRevocation));
  panel.logger.info({ revoked: ids.slice(0, 100) }, `revoked: ${ids.slice(0, 5).join(', ')}`);
  await panel.revocations.revoke(revocations);
  if (!flagOf(args, 'terminate')) return ok(`tasks ${setOf(ids)} flagged as revoked`);
  const wanted = new Set(ids);
  const ended = panel.active.terminate(({ id }) => wanted.has(id), signum);
  return ok(ended.length === 0 ? 'terminate: tasks unknown' : `terminate: ${ended.join(', ')}`);
};

function revocationsOf(revocations: readonly string[]): readonly string[] {
  try {
    return checkRevocations(revocations);
  } catch (error) {
    throw new CommandError('ValueError', error instanceof Error ? error.message : String(error));
  }
}

export const terminate: Command = (panel, args) => revoke(panel, { ...args, terminate: true });

export const revokeWorkflow: Command = async (panel, args) => {
  const roots = [...new Set(textsOf(args, 'root_id'))];
  const signum = flagOf(args, 'terminate') ? signalNumber(args.signal) : null;
  panel.logger.info(
    { revoked_workflows: roots.slice(0, 100) },
    `revoked: workflow ${roots.slice(0, 5).join(', ')}`,
  );
  await panel.revocations.revoke(revocationsOf(roots.map(workflowRevocation)));
  if (!flagOf(args, 'terminate')) return ok(`workflows ${setOf(roots)} flagged as revoked`);
  const wanted = new Set(roots);
  const ended = panel.active.terminate(({ rootId }) => wanted.has(rootId), signum);
  return ok(ended.length === 0 ? 'terminate: tasks unknown' : `terminate: ${ended.join(', ')}`);
};

export const revokeByStamps: Command = async (panel, args) => {
  const stamps = stampsOf(args.headers);
  const signum = flagOf(args, 'terminate') ? signalNumber(args.signal) : null;
  await panel.revocations.revoke(
    revocationsOf(stamps.flatMap(([name, values]) => values.map((value) => stampRevocation(name, value)))),
  );
  const shown = saferepr(Object.fromEntries(stamps));
  if (!flagOf(args, 'terminate')) return ok(`headers ${shown} flagged as revoked, but not terminated`);
  const ended = panel.active.terminate(
    ({ stamps: own }) =>
      stamps.some(([name, values]) => {
        const mine: unknown = Object.hasOwn(own, name) ? own[name] : [];
        const list: readonly unknown[] = Array.isArray(mine) ? mine : [mine];
        return list.some((value) => values.includes(String(value)));
      }),
    signum,
  );
  return ok(ended.length === 0 ? `headers ${shown} were not terminated` : `headers ${shown} revoked`);
};

export const rateLimit: Command = async ({ app, rateLimits, cluster, logger }, args) => {
  const task = textOf(args, 'task_name');
  let rate: number | null;
  try {
    const given = args.rate_limit;
    rate =
      given === null || given === undefined || given === ''
        ? null
        : parseRate(typeof given === 'number' ? given : String(given), 'rate_limit');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return nok(`Invalid rate limit string: ${error.message}`);
  }
  const defined = app.tasks.get(task);
  if (defined === undefined) return nok('unknown task');
  const shared = defined.options.limits.find(({ kind }) => kind === 'rate');
  // Each worker writes the same to the store: workers that start later find it there.
  if (shared === undefined) rateLimits.set(task, rate);
  else await cluster.override('rate', shared.name, rate);
  logger.info({ task_name: task, rate_limit: args.rate_limit }, `rate limit of ${task} changed`);
  return ok(rate === null ? 'rate limit disabled successfully' : 'new rate limit set successfully');
};

/** Ours: sets how many of a task run at once in all workers together, if it has such a limit. 0: no limit. */
export const concurrencyLimit: Command = async ({ app, cluster, logger }, args) => {
  const task = textOf(args, 'task_name');
  const limit = countOf(args, 'limit', 0);
  const defined = app.tasks.get(task);
  if (defined === undefined) return nok('unknown task');
  const shared = defined.options.limits.find(({ kind }) => kind === 'concurrency');
  if (shared === undefined) return nok(`${task} has no limit of that kind: give it one, { concurrency: 10 }`);
  await cluster.override('concurrency', shared.name, limit === 0 ? null : limit);
  logger.info({ task_name: task, limit }, `concurrency limit of ${task} changed`);
  return ok(
    limit === 0 ? 'concurrency limit disabled successfully' : 'new concurrency limit set successfully',
  );
};

export const timeLimit: Command = ({ app, timeLimits, logger }, args) => {
  const task = textOf(args, 'task_name');
  if (app.tasks.get(task) === undefined) return nok('unknown task');
  const soft = secondsOf(args, 'soft');
  const hard = secondsOf(args, 'hard');
  if (soft !== null && hard !== null && soft > hard)
    throw new CommandError('ValueError', `the soft limit (${soft} s) is above the hard one (${hard} s)`);
  timeLimits.set(task, { soft, hard });
  logger.info({ task_name: task, soft, hard }, `time limits of ${task} changed`);
  return ok('time limits set successfully');
};

export const addConsumer: Command = async ({ app, sources, logger }, args) => {
  const queue = textOf(args, 'queue');
  if (sources.queues.includes(queue)) return ok(`already consuming from ${saferepr(queue)}`);
  try {
    const { bindings } = app.topology.queue(queue);
    const { exchange, exchange_type: type, routing_key: key } = args;
    const isBound = bindings.some(
      (binding) =>
        binding.exchange.name === (exchange ?? queue) &&
        (type ?? binding.exchange.type) === binding.exchange.type &&
        (key ?? binding.routingKey) === binding.routingKey,
    );
    // Without an exchange, or with the queue's own (the default of Celery's programs), the queue is used as it is declared.
    const isAnother =
      (exchange ?? queue) !== queue || (key ?? queue) !== queue || (type ?? 'direct') !== 'direct';
    if (isAnother && !isBound)
      return nok(
        `the queue ${saferepr(queue)} is not bound to the exchange ${saferepr(exchange ?? queue)} (${saferepr(type ?? 'direct')}) by the key ${saferepr(key ?? queue)}: declare that in taskQueues`,
      );
  } catch (error) {
    if (!(error instanceof UmbelError)) throw error;
    return nok(error.message);
  }
  await sources.serve([...sources.queues, queue]);
  logger.info({ queue, queues: sources.queues }, `serves the queue '${queue}', too`);
  return ok(`add consumer ${queue}`);
};

export const cancelConsumer: Command = async ({ sources, logger }, args) => {
  const queue = textOf(args, 'queue');
  if (sources.queues.includes(queue)) {
    await sources.serve(sources.queues.filter((name) => name !== queue));
    logger.info({ queue, queues: sources.queues }, `no longer serves the queue '${queue}'`);
  }
  return ok(`no longer consuming from ${queue}`);
};

/** Ours: somebody has paused or resumed something, or records the history, and the store says what. Answered when it is in effect. */
export const reloadPauses: Command = async ({ app, pauses }) => {
  await app.stores?.history?.look();
  const paused = (await pauses.reload()).map(({ kind, name }) => `${kind} ${name}`);
  return ok(paused.length === 0 ? 'nothing is paused' : `paused: ${paused.join(', ')}`);
};

export const poolGrow: Command = (panel, args) => {
  const { scaler, slots } = panel;
  if (scaler !== null)
    return nok('pool_grow is not supported with autoscale. Adjust autoscale range instead.');
  return resized(panel, slots.size + countOf(args, 'n', 1), 'pool will grow');
};

export const poolShrink: Command = (panel, args) => {
  const { scaler, slots } = panel;
  if (scaler !== null)
    return nok('pool_shrink is not supported with autoscale. Adjust autoscale range instead.');
  return resized(panel, slots.size - countOf(args, 'n', 1), 'pool will shrink');
};

export const autoscale: Command = ({ scaler }, args) => {
  if (scaler === null) throw new CommandError('ValueError', 'Autoscale not enabled');
  const max = countOf(args, 'max', scaler.bounds.max);
  const min = countOf(args, 'min', scaler.bounds.min);
  if (min < 1 || max < min || max > maxConcurrency)
    throw new CommandError('ValueError', `max=${max} min=${min} is no range`);
  scaler.bounds = { max, min };
  return ok(`autoscale now max=${max} min=${min}`);
};

export const poolRestart: Command = () => {
  throw new CommandError('ValueError', 'Pool restarts not enabled');
};

export const enableEvents: Command = ({ events, logger }) => {
  if (events.on) return ok('task events already enabled');
  events.on = true;
  logger.info({}, 'task events are sent from now on');
  return ok('task events enabled');
};

export const disableEvents: Command = ({ events, logger }) => {
  if (!events.on) return ok('task events already disabled');
  events.on = false;
  logger.info({}, 'task events are sent no longer');
  return ok('task events disabled');
};

export const heartbeat: Command = async ({ heart }) => {
  await heart.emit('worker-heartbeat', 5);
  return null;
};

export const shutdown: Command = ({ shutDown, logger }) => {
  logger.warn({}, 'asked to shut down');
  shutDown();
  return noReply;
};

/**
 * Celery's election. We never win, since our clock is far behind all others; but we must be a candidate, at once. A Celery worker counts as many
 * answers as it knows workers, itself included, and then compares the first candidate with the second. Without a second one it ends with an
 * IndexError (Celery 5.2.6 alone does that, too). Next to two workers of ours that cannot happen.
 */
export const election: Command = ({ events, heart, lamport }, { id, topic, action }) => {
  if (typeof id !== 'string') return noReply;
  lamport.adjust(lamport.value + farBehind);
  const standing = events.worker('worker-elect', { id, topic, action, cver: 1 });
  const acknowledge = async (): Promise<void> => {
    await standing;
    // A worker that has sent `worker-offline` must send nothing more: monitors would take it for alive.
    if (!heart.isStopping) await events.worker('worker-elect-ack', { id });
  };
  setTimeout(() => void acknowledge(), electionMs).unref();
  return noReply;
};

function resized(panel: Panel, size: number, reply: string): Json {
  if (panel.pool.name === 'solo')
    throw new CommandError(
      'ValueError',
      'the pool solo runs one task at a time; start the worker with another',
    );
  if (size < 1 || size > maxConcurrency)
    throw new CommandError('ValueError', `a worker runs 1 to ${maxConcurrency} tasks at a time, not ${size}`);
  panel.resize(size);
  return ok(reply);
}

/** A set of texts, as Python shows it. */
function setOf(texts: readonly string[]): string {
  return texts.length === 0 ? 'set()' : `{${texts.map((text) => saferepr(text)).join(', ')}}`;
}

function stampsOf(headers: unknown): readonly (readonly [string, readonly string[]])[] {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw new CommandError('TypeError', "the argument 'headers' must be a map of stamps");
  return Object.entries(headers).map(([name, value]) => {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return [name, list.map(String)] as const;
  });
}

/** `SIGTERM`, `TERM`, or its number; default SIGTERM, as in Celery. */
function signalNumber(signal: unknown): number {
  const { signals } = constants;
  if (signal === undefined || signal === null) return signals.SIGTERM;
  const word = String(signal).toUpperCase();
  const found = Object.entries(signals).find(
    ([name, number]) => name === word || name === `SIG${word}` || number === signal,
  );
  if (found === undefined) throw new CommandError('ValueError', `unknown signal ${String(signal)}`);
  return found[1];
}
