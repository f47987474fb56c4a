// Limits that all workers share, and the locks of unique tasks: the rules, who holds what, and who waits.
import { z } from 'zod';
import type { App } from '../../../app/app.ts';
import { type ClusterLimit, readQueueLimits } from '../../../config/limit-options.ts';
import { Problem } from '../../../http/problem.ts';
import { timeOfId } from '../../../lib/uuid.ts';
import { type LimitReport, type LimitUse, limitsOf } from '../../../stores/limits.ts';
import type { Locks } from '../../../stores/locks.ts';
import { plainName } from './checked.ts';
import type { Fleet, ToldByWorkers } from './fleet.ts';
import { startTime } from './held.ts';

/** A task that has a permit. */
interface Holder {
  readonly id: string;
  /** Null: no worker that answered runs it. */
  readonly worker: string | null;
  readonly task: string | null;
  /** When it started, milliseconds since 1970. */
  readonly startedAt: number | null;
}

export interface LimitLine {
  readonly kind: 'concurrency' | 'rate';
  readonly name: string;
  /** The value of the limit's key; null: it counts all calls together. */
  readonly value: string | null;
  /** Runs at once, or starts per second. Null: only the code of the workers knows, which is not loaded here. */
  readonly limit: number | null;
  /** It was set at run time, for all workers. `none`: the limit was taken away. */
  readonly override: 'none' | 'set' | null;
  /** The tasks and queues whose code has this limit. */
  readonly of: readonly string[];
  readonly inUse: number;
  readonly holders: readonly Holder[];
  readonly waiting: number;
  readonly waiters: readonly { readonly id: string; readonly queue: string; readonly sinceAt: number }[];
  /** Of a rate: when a task could start that asks now, and how many have a time to start. */
  readonly nextAt: number | null;
  readonly reserved: number;
}

export interface LimitPage {
  /** Null: no store of this application can keep limits. */
  readonly limits: readonly LimitLine[] | null;
  /** Not all counters are shown. */
  readonly more: boolean;
  /** The application's code is loaded here: rules that nobody uses are listed, too. */
  readonly hasRules: boolean;
  /** Who holds a permit. */
  readonly told: ToldByWorkers;
}

export interface LockLine {
  readonly key: string;
  readonly task: string;
  /** What makes the call unique; a long value is a hash. */
  readonly value: string;
  /** The task that has it. */
  readonly id: string;
  /** Null: its id does not tell. */
  readonly sentAt: number | null;
  readonly untilAt: number;
}

export interface LockPage {
  /** Null: no store of this application can keep locks. */
  readonly locks: readonly LockLine[] | null;
  readonly more: boolean;
}

const [maxCounters, maxEach, maxLocks] = [200, 20, 500];

/** @throws BrokerUnavailable, StoreError */
export async function showLimits(app: App, fleet: Fleet): Promise<LimitPage> {
  const [transport, backend] = [await app.broker(), await app.backend()];
  const report = await limitsOf({ transport, backend }, { counters: maxCounters, each: maxEach });
  const { value: held, ...told } = fleet.held();
  const running = new Map<string, Holder>();
  for (const [worker, messages] of held ?? [])
    for (const { id, name, time_start: start } of messages)
      if (typeof start === 'number')
        running.set(String(id), {
          id: String(id),
          worker,
          task: String(name),
          startedAt: startTime(start),
        });
  const rules = rulesOf(app);
  return {
    limits: report === null ? null : linesOf(report, rules, running),
    more: report?.more ?? false,
    hasRules: rules.size > 0,
    told,
  };
}

interface Rule extends Pick<ClusterLimit, 'kind' | 'name' | 'limit'> {
  readonly of: readonly string[];
}

/** By kind and name. */
function rulesOf(app: App): ReadonlyMap<string, Rule> {
  const rules = new Map<string, Rule>();
  const add = ({ kind, name, limit }: ClusterLimit, of: string): void => {
    const before = rules.get(`${kind} ${name}`);
    rules.set(`${kind} ${name}`, { kind, name, limit, of: [...(before?.of ?? []), of] });
  };
  for (const task of app.tasks) for (const limit of task.options.limits) add(limit, task.name);
  for (const [queue, limits] of readQueueLimits(app.config.queueLimits))
    for (const limit of limits) add(limit, `queue ${queue}`);
  return rules;
}

/** The counters in use, then the rules that nobody uses. Pure. */
export function linesOf(
  { uses, overrides }: LimitReport,
  rules: ReadonlyMap<string, Rule>,
  running: ReadonlyMap<string, Holder>,
): readonly LimitLine[] {
  const set = new Map(overrides.map(({ kind, name, limit }) => [`${kind} ${name}`, limit]));
  const names = new Set([...rules.values(), ...overrides].map(({ name }) => name));
  const lineOf = (kind: LimitLine['kind'], key: string, use: LimitUse | null): LimitLine => {
    const [name, value] = splitKey(key, names);
    const rule = rules.get(`${kind} ${name}`);
    const override = set.get(`${kind} ${name}`);
    const isRate = kind === 'rate';
    return {
      kind,
      name,
      value,
      limit: override ?? rule?.limit ?? null,
      override: override === undefined ? null : override === null ? 'none' : 'set',
      of: rule?.of ?? [],
      inUse: isRate ? 0 : (use?.inUse ?? 0),
      holders: isRate
        ? []
        : (use?.holders ?? []).map(
            (id) => running.get(id) ?? { id, worker: null, task: null, startedAt: null },
          ),
      waiting: isRate ? 0 : (use?.waiting ?? 0),
      waiters: isRate
        ? []
        : (use?.waiters ?? []).map(({ id, queue, sinceMs }) => ({ id, queue, sinceAt: sinceMs })),
      nextAt: isRate ? (use?.rate?.nextMs ?? null) : null,
      reserved: isRate ? (use?.rate?.reserved ?? 0) : 0,
    };
  };
  const used = uses.flatMap((use) => [
    ...(use.inUse + use.waiting > 0 ? [lineOf('concurrency', use.key, use)] : []),
    ...(use.rate === null ? [] : [lineOf('rate', use.key, use)]),
  ]);
  const known = new Set(used.map(({ kind, name }) => `${kind} ${name}`));
  const idle = [...rules.values(), ...overrides].filter(({ kind, name }) => {
    const isNew = !known.has(`${kind} ${name}`);
    known.add(`${kind} ${name}`);
    return isNew;
  });
  return [...used, ...idle.map(({ kind, name }) => lineOf(kind, name, null))];
}

/** A counter is named `<name>`, or `<name>|<value of the key>`. Names may hold a `|` themselves. */
function splitKey(key: string, names: ReadonlySet<string>): readonly [name: string, value: string | null] {
  if (names.has(key)) return [key, null];
  for (let at = key.lastIndexOf('|'); at >= 0; at = at === 0 ? -1 : key.lastIndexOf('|', at - 1))
    if (names.has(key.slice(0, at))) return [key.slice(0, at), key.slice(at + 1)];
  const at = key.indexOf('|');
  return at < 0 ? [key, null] : [key.slice(0, at), key.slice(at + 1)];
}

/** @throws BrokerUnavailable */
export async function showLocks(app: App): Promise<LockPage> {
  const found = await (await locksOf(app))?.list?.(maxLocks);
  if (found === undefined) return { locks: null, more: false };
  const locks = found.locks.flatMap(({ key, id, untilMs }): LockLine[] => {
    const at = key.indexOf('|');
    // Other locks are Umbel's own: of runs that begin, of jobs that retry.
    if (at < 0) return [];
    return [
      {
        key,
        task: key.slice(0, at),
        value: key.slice(at + 1),
        id,
        sentAt: timeOfId(id),
        untilAt: untilMs,
      },
    ];
  });
  return { locks, more: found.more };
}

export const heldLock = z.object({ key: plainName(2_000), id: plainName(512) });

/** Releases a lock if this task still has it. @throws BrokerUnavailable; Problem 409 when no store keeps locks, 422 for a lock that is not of a unique task */
export async function releaseLock(
  app: App,
  { key, id }: z.output<typeof heldLock>,
): Promise<{ readonly released: boolean }> {
  if (!key.includes('|')) throw new Problem(422, `key: '${key}' is no lock of a unique task`);
  const locks = await locksOf(app);
  if (locks === undefined) throw new Problem(409, 'neither the broker nor the results keep locks');
  const owner = await locks.owner(key);
  await locks.release(key, id);
  return { released: owner === id };
}

async function locksOf(app: App): Promise<Locks | undefined> {
  const transport = await app.broker();
  return await (transport.openLocks?.() ?? (await app.backend())?.openLocks?.());
}
