// Why a task is where it is: a pure answer to facts that were gathered (why-facts.ts).
import type { RecordedState } from '../history/record.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import type { Pause } from '../stores/pauses.ts';

/** The first obstacle on a task's way, or where it is. */
export type WhyAnswer = { readonly id: string; readonly text: string } & Obstacle;

type Obstacle =
  | {
      readonly kind: 'ended';
      readonly state: string;
      readonly at: Date | null;
      readonly error: string | null;
    }
  | { readonly kind: 'running'; readonly worker: string; readonly since: Date | null }
  /** Held by a worker, and not begun: its slots are taken. */
  | { readonly kind: 'reserved'; readonly worker: string }
  /** The worker that had it does not live. */
  | { readonly kind: 'worker-lost'; readonly worker: string; readonly since: Date | null }
  | { readonly kind: 'dead'; readonly deadLetter: number; readonly reason: string; readonly diedAt: Date }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'expired'; readonly at: Date }
  /** `worker`: a Python worker, which holds it until then; null: it waits in its queue. */
  | {
      readonly kind: 'eta';
      readonly queue: string;
      readonly due: Date;
      readonly worker: string | null;
    }
  | { readonly kind: 'retry'; readonly queue: string; readonly due: Date; readonly error: string | null }
  /** A rate or a concurrency limit; `holders`: workers that run the same task now. */
  | {
      readonly kind: 'limit';
      readonly queue: string;
      readonly due: Date;
      readonly holders: readonly string[];
    }
  /** Its queue, or its task, is paused: no worker of ours takes it. `reason`: empty if none was given. */
  | {
      readonly kind: 'paused';
      readonly what: 'queue' | 'task';
      readonly name: string;
      readonly since: Date;
      readonly by: string;
      readonly reason: string;
    }
  /** No worker serves its queue; `workers` live and serve others. */
  | { readonly kind: 'no-worker'; readonly queue: string; readonly workers: readonly string[] }
  /** No worker of its queue has a task of this name. */
  | { readonly kind: 'unknown-task'; readonly queue: string; readonly workers: readonly string[] }
  /** Others come before it. `position`, `seconds`: null if unknown. */
  | {
      readonly kind: 'behind';
      readonly queue: string;
      readonly position: number | null;
      readonly seconds: number | null;
    }
  /** A chord's body waits for members; `missing`: the first ten that have not ended. */
  | {
      readonly kind: 'chord';
      readonly missing: readonly string[];
      readonly open: number;
      readonly total: number;
    }
  | { readonly kind: 'never-sent' };

/** A worker that answered. */
export interface AnsweringWorker {
  readonly name: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
}

/** What is known. Null: not known, or there is none. */
export interface WhyFacts {
  readonly id: string;
  /** The broker that was asked, as one compares it with that of the sender. */
  readonly broker: string;
  readonly now: Date;
  readonly record: Pick<ResultRecord, 'status' | 'result' | 'dateDone'> | null;
  /** The worker that holds it, by its own account. */
  readonly held: {
    readonly worker: string;
    readonly running: boolean;
    readonly since: Date | null;
    /** The worker waits until then; null: it does not. */
    readonly eta: { readonly queue: string; readonly due: Date } | null;
  } | null;
  /** Its message in a queue. */
  readonly waiting: {
    readonly queue: string;
    readonly position: number;
    /** Null: it is ready. */
    readonly due: Date | null;
    readonly task: string;
    readonly retries: number;
    readonly eta: Date | null;
    readonly expires: Date | null;
  } | null;
  /** Whether the messages of the broker can be looked at. */
  readonly canPeek: boolean;
  readonly dead: {
    readonly id: number;
    readonly reason: string;
    readonly detail: string;
    readonly diedAt: Date;
  } | null;
  readonly revoked: boolean;
  /** From the history. */
  readonly history: {
    readonly state: RecordedState;
    readonly task: string | null;
    readonly queue: string | null;
    readonly worker: string | null;
    readonly startedAt: Date | null;
    readonly endedAt: Date | null;
    readonly error: string | null;
  } | null;
  /** The members of the chord whose body it is, as the history knows them. */
  readonly members: readonly { readonly id: string; readonly ended: boolean }[];
  /** What is paused, whatever it is. */
  readonly pauses: readonly Pause[];
  readonly workers: readonly AnsweringWorker[];
  /** Live, but did not answer in time. */
  readonly silent: readonly string[];
  /** Workers that run a task of the same name now. */
  readonly running: readonly string[];
  /** Where the application's routes send a task of this name, and which rule does. */
  readonly route: { readonly queue: string; readonly rule: string } | null;
  /** Tasks of its queue that end in a second. */
  readonly outRate: number | null;
}

/** Walks the task's way and stops at the first obstacle. Pure. */
export function explain(facts: WhyFacts): WhyAnswer {
  const { id } = facts;
  const obstacle =
    whileHeld(facts) ??
    afterItsEnd(facts) ??
    inItsQueue(facts) ??
    withoutMessage(facts) ??
    ({ kind: 'never-sent' } as const);
  return { id, text: textOf(obstacle, facts), ...obstacle };
}

function whileHeld({ held }: WhyFacts): Obstacle | null {
  if (held === null) return null;
  const { worker, running, since, eta } = held;
  if (eta !== null) return { kind: 'eta', ...eta, worker };
  return running ? { kind: 'running', worker, since } : { kind: 'reserved', worker };
}

function afterItsEnd({ dead, record, history, waiting }: WhyFacts): Obstacle | null {
  // A task that was sent again waits with the record of its first end.
  if (waiting !== null) return null;
  if (dead !== null) return { kind: 'dead', deadLetter: dead.id, reason: dead.reason, diedAt: dead.diedAt };
  if (record !== null && isReady(record.status))
    return {
      kind: 'ended',
      state: record.status,
      at: record.dateDone,
      error: errorOf(record) ?? history?.error ?? null,
    };
  if (history?.endedAt)
    return { kind: 'ended', state: history.state, at: history.endedAt, error: history.error };
  return null;
}

/** The error of a task that did not succeed: `OSError: away`; null: it succeeded, or the record has none. */
export function errorOf({ status, result }: Pick<ResultRecord, 'status' | 'result'>): string | null {
  if (status === 'SUCCESS' || typeof result !== 'object' || result === null) return null;
  const type: unknown = Reflect.get(result, 'exc_type');
  const message: unknown = Reflect.get(result, 'exc_message');
  const text = Array.isArray(message) ? message.map(String).join(', ') : '';
  return typeof type === 'string' ? `${type}: ${text}` : null;
}

function inItsQueue(facts: WhyFacts): Obstacle | null {
  const { waiting, now, revoked, history, running } = facts;
  if (waiting === null) return null;
  const { queue, due, eta, expires, retries, task, position } = waiting;
  if (revoked) return { kind: 'revoked' };
  if (expires !== null && expires <= now) return { kind: 'expired', at: expires };
  if (due !== null && due > now) {
    if (eta !== null && eta > now)
      return retries > 0
        ? { kind: 'retry', queue, due, error: history?.error ?? null }
        : { kind: 'eta', queue, due, worker: null };
    // A worker has deferred it: it is paused, it does not know the task, or a limit does not let it run.
    return (
      paused(facts, queue, task) ??
      unserved(facts, queue, task) ?? { kind: 'limit', queue, due, holders: running }
    );
  }
  return paused(facts, queue, task) ?? unserved(facts, queue, task) ?? behind(facts, queue, position);
}

function paused({ pauses }: WhyFacts, queue: string, task: string | null): Obstacle | null {
  const found = pauses.find(({ kind, name }) => name === (kind === 'queue' ? queue : task));
  if (found === undefined) return null;
  const { kind, ...about } = found;
  return { kind: 'paused', what: kind, ...about };
}

/** Nobody can run it. */
function unserved({ workers, silent }: WhyFacts, queue: string, task: string | null): Obstacle | null {
  // A worker that did not answer may be the one that serves it.
  if (silent.length > 0) return null;
  const serving = workers.filter(({ queues }) => queues.includes(queue));
  if (serving.length === 0) return { kind: 'no-worker', queue, workers: namesOf(workers) };
  return task !== null && serving.every(({ tasks }) => !tasks.includes(task))
    ? { kind: 'unknown-task', queue, workers: namesOf(serving) }
    : null;
}

function behind({ outRate }: WhyFacts, queue: string, position: number | null): Obstacle {
  const seconds = outRate !== null && outRate > 0 && position !== null ? (position + 1) / outRate : null;
  return { kind: 'behind', queue, position, seconds };
}

/** Its message was not found. */
function withoutMessage(facts: WhyFacts): Obstacle | null {
  const { history, record, members, revoked, workers, silent, route } = facts;
  const began = history?.state === 'STARTED' || history?.state === 'RECEIVED';
  if (history?.worker && began) {
    const { worker, startedAt: since } = history;
    const lives = silent.includes(worker) || workers.some(({ name }) => name === worker);
    if (silent.includes(worker)) return { kind: 'running', worker, since };
    if (!lives) return { kind: 'worker-lost', worker, since };
  }
  const open = members.filter(({ ended }) => !ended).map(({ id }) => id);
  if (open.length > 0)
    return { kind: 'chord', missing: open.slice(0, 10), open: open.length, total: members.length };
  if (revoked) return { kind: 'revoked' };
  if (record === null && history === null) return null;
  const queue = history?.queue ?? route?.queue ?? null;
  if (queue === null) return null;
  const task = history?.task ?? null;
  return paused(facts, queue, task) ?? unserved(facts, queue, task) ?? behind(facts, queue, null);
}

function namesOf(workers: readonly AnsweringWorker[]): readonly string[] {
  return workers.map(({ name }) => name);
}

function textOf(why: Obstacle, { broker, canPeek, route, dead, silent, history }: WhyFacts): string {
  switch (why.kind) {
    case 'ended':
      return `it has ended: ${why.state}${at(why.at)}${why.error === null ? '' : `, ${why.error}`}`;
    case 'running':
      return `${why.worker} runs it${since(why.since)}${silent.includes(why.worker) ? '; this worker does not answer: its event loop may be blocked' : ''}`;
    case 'reserved':
      return `${why.worker} holds it, and runs others first: all its slots are taken`;
    case 'worker-lost':
      return `${why.worker} had it${since(why.since)} and does not live any more: it comes back to its queue when the lease of that worker ends`;
    case 'dead':
      return `it is the dead letter ${why.deadLetter} because of ${why.reason} (${dead?.detail ?? ''}): umbel dead show ${why.deadLetter}, umbel dead replay ${why.deadLetter}`;
    case 'revoked':
      return 'it is revoked: the worker that takes it ends it as REVOKED, and does not run it';
    case 'expired':
      return `it has expired${at(why.at)}: the worker that takes it ends it as REVOKED, and does not run it`;
    case 'eta':
      return why.worker === null
        ? `it waits in '${why.queue}' for its eta, ${why.due.toISOString()}`
        : `${why.worker} has taken it from '${why.queue}' and waits for its eta, ${why.due.toISOString()}`;
    case 'retry':
      return `it is tried again at ${why.due.toISOString()}, from '${why.queue}'${why.error === null ? '' : `, after ${why.error}`}`;
    case 'limit':
      return `a rate or a concurrency limit holds it back until ${why.due.toISOString()}${why.holders.length === 0 ? '' : `; tasks of this name run on ${why.holders.join(', ')}`}`;
    case 'paused': {
      const because = why.reason === '' ? '' : `: ${why.reason}`;
      const wayOut = `umbel ${why.what === 'queue' ? 'queues' : 'tasks'} resume ${why.name}`;
      return `its ${why.what} '${why.name}' is paused${since(why.since)} by ${why.by}${because} (${wayOut})`;
    }
    case 'no-worker': {
      const others =
        why.workers.length === 0 ? 'no worker answers' : `${why.workers.join(', ')} serve other queues`;
      const rule = route?.queue === why.queue ? ` (routed there by ${route.rule})` : '';
      return `no worker serves its queue '${why.queue}'${rule}; ${others}: umbel worker -Q ${why.queue}`;
    }
    case 'unknown-task':
      return `the workers of '${why.queue}' (${why.workers.join(', ')}) do not know this task: it is defined in no module that they load`;
    case 'behind': {
      const others =
        why.position === null
          ? canPeek
            ? 'others; it is not among the first 1,000'
            : 'others; this broker does not show its messages'
          : why.position === 0
            ? 'no other: it is next, as soon as a worker has a free slot'
            : `${why.position} others`;
      const time = why.seconds === null ? '' : `, about ${Math.ceil(why.seconds)} s at the present rate`;
      return `it waits in '${why.queue}' behind ${others}${time}`;
    }
    case 'chord':
      return `it is the body of a chord, which waits for ${why.open} of ${why.total} members: ${why.missing.join(', ')}${why.open > why.missing.length ? ' …' : ''}`;
    case 'never-sent':
      return history === null
        ? `nobody knows it: it was never sent to this broker (${broker}), a step before it in its workflow has not ended, or it has ended and nothing is kept of that (its records have expired, or it ignores its result)`
        : 'its message is in no queue, and no worker holds it';
  }
}

function at(time: Date | null): string {
  return time === null ? '' : ` at ${time.toISOString()}`;
}

function since(time: Date | null): string {
  return time === null ? '' : ` since ${time.toISOString()}`;
}
