// The judges: pure functions from what happened (the ledger) and what is left (the facts) to what is wrong.
// The words are those of docs/reliability.md. Each returns the ids or sentences of its violations; none is good.
import type { Entry } from './ledger.ts';

/** What the store says when everything has come to rest. */
export interface Facts {
  /** When this was read, milliseconds since 1970. */
  readonly at: number;
  readonly results: ReadonlyMap<string, RecordedResult>;
  /** Ids of the messages in the dead-letter store. */
  readonly dead: ReadonlySet<string>;
  /** Ids of the messages that wait, are scheduled or are claimed. */
  readonly waiting: ReadonlySet<string>;
}

/** A task's result as it is recorded: tasks under test return their run. */
export interface RecordedResult {
  readonly status: string;
  readonly run: unknown;
  /** Milliseconds since 1970; null while it has not ended. */
  readonly doneAt: number | null;
}

/** What is allowed. */
export interface Limits {
  /** Tasks that one worker may hold. */
  readonly slots: number;
  /** Milliseconds within which a dead worker's tasks start again. */
  readonly restartMs: number;
  /** Milliseconds after the last fault (or the last send) within which everything has ended. */
  readonly settleMs: number;
}

/** The findings: for each checker the violations. */
export interface Report {
  readonly lost: readonly string[];
  readonly unexpected: readonly string[];
  readonly stuck: readonly string[];
  readonly buried: readonly string[];
  readonly finishedTwice: readonly string[];
  readonly unexplained: readonly string[];
  readonly overBound: readonly string[];
  readonly lateRestart: readonly string[];
  readonly early: readonly string[];
  readonly falseResult: readonly string[];
  readonly unfenced: readonly string[];
}

/** What was counted: the numbers of the table. */
export interface Counts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly runs: number;
  readonly ended: number;
  readonly faults: number;
  /** Runs that began though the task had begun before. */
  readonly duplicated: number;
  /** Runs that had begun and not ended when their worker was killed. */
  readonly interrupted: number;
  /** Of the interrupted, the longest wait until the next start, milliseconds. */
  readonly slowestRestartMs: number;
}

export function check(ledger: readonly Entry[], facts: Facts, limits: Limits): Report {
  const history = gather(ledger);
  return {
    lost: lost(history, facts),
    unexpected: unexpected(history),
    stuck: stuck(history, facts, limits),
    buried: buried(history, facts),
    finishedTwice: finishedTwice(history, facts),
    unexplained: unexplained(history),
    overBound: overBound(history, limits),
    lateRestart: lateRestart(history, facts, limits),
    early: early(history),
    falseResult: falseResult(history, facts),
    unfenced: unfenced(history, facts),
  };
}

export function count(ledger: readonly Entry[]): Counts {
  const history = gather(ledger);
  const runs = [...history.runs.values()].flat();
  const waits = interrupted(history).map(({ restartMs }) => restartMs ?? 0);
  return {
    sent: history.invoked.size,
    acknowledged: history.acknowledged.size,
    runs: runs.length,
    ended: [...history.runs.values()].filter((all) => all.some((run) => run.endedAt !== null)).length,
    faults: history.faults.length,
    duplicated: runs.length - history.runs.size,
    interrupted: waits.length,
    slowestRestartMs: Math.max(0, ...waits),
  };
}

/** The names of the checkers that found something. */
export function guilty(report: Report): string[] {
  return Object.entries(report).flatMap(([name, found]) => (found.length > 0 ? [name] : []));
}

/** Acknowledged to the sender, never ended, in no dead letter, and nothing is left of it. */
function lost(history: History, facts: Facts): string[] {
  return [...history.acknowledged.keys()].filter(
    (id) => !hasEnded(history, id) && !facts.dead.has(id) && !facts.waiting.has(id),
  );
}

/** Ran without having been sent. (A send that threw may have been sent.) */
function unexpected(history: History): string[] {
  return [...history.runs.keys()].filter((id) => !history.invoked.has(id));
}

/** Still there, or ended later than `settleMs` after the last fault, send or eta. */
function stuck(history: History, facts: Facts, limits: Limits): string[] {
  const deadline = history.lastDisturbance + limits.settleMs;
  return [...history.acknowledged.keys()].filter((id) => {
    if (facts.dead.has(id)) return false;
    const firstEnd = Math.min(...endsOf(history, id));
    return firstEnd === Number.POSITIVE_INFINITY ? facts.waiting.has(id) : firstEnd > deadline;
  });
}

/** A good task in the dead-letter store: a system that buries everything would lose nothing. */
function buried(history: History, facts: Facts): string[] {
  return [...facts.dead].filter((id) => history.invoked.has(id));
}

/** Began again after its result was recorded. */
function finishedTwice(history: History, facts: Facts): string[] {
  return [...history.runs].flatMap(([id, runs]) => {
    const doneAt = facts.results.get(id)?.doneAt ?? Number.POSITIVE_INFINITY;
    return runs.some((run) => run.startedAt > doneAt) ? [id] : [];
  });
}

/** Began again though nothing had happened to the worker that held it, and the task had asked for no retry. */
function unexplained(history: History): string[] {
  return [...history.runs].flatMap(([id, runs]) => {
    const innocent = runs.slice(1).some((run, index) => {
      const before = runs[index];
      if (before === undefined || run.retries > before.retries) return false;
      return !history.faults.some((fault) => explains(fault, before, run));
    });
    return innocent ? [id] : [];
  });
}

/** A fault that made more tasks run again than its worker could hold. */
function overBound(history: History, limits: Limits): string[] {
  return history.faults.flatMap((fault) => {
    let again = 0;
    for (const runs of history.runs.values()) {
      runs.slice(1).forEach((run, index) => {
        const before = runs[index];
        if (before === undefined || run.retries > before.retries) return; // it asked for that itself
        if (history.faults.findLast((each) => explains(each, before, run)) === fault) again++;
      });
    }
    const bound = fault.fault === 'term' ? 0 : limits.slots;
    return again > bound ? [`${fault.fault} of ${fault.pid}: ${again} ran again, at most ${bound} may`] : [];
  });
}

/** Was running in a killed worker and did not start again in time. */
function lateRestart(history: History, facts: Facts, limits: Limits): string[] {
  return interrupted(history).flatMap(({ id, killedAt, restartMs }) => {
    if (restartMs !== null) return restartMs > limits.restartMs ? [`${id} after ${restartMs} ms`] : [];
    // Not begun again: an earlier run may have been recorded, or a death certificate written.
    if (facts.dead.has(id) || facts.results.get(id)?.doneAt != null) return [];
    return facts.at - killedAt > limits.restartMs ? [`${id} never`] : [];
  });
}

/** Began before its eta. */
function early(history: History): string[] {
  return [...history.runs].flatMap(([id, runs]) => {
    const eta = history.invoked.get(id) ?? Number.NEGATIVE_INFINITY;
    return runs.some((run) => run.startedAt < eta) ? [id] : [];
  });
}

/** Ended without a recorded success, or recorded with something that no run returned. */
function falseResult(history: History, facts: Facts): string[] {
  const wrong = [...history.runs].flatMap(([id, runs]) => {
    const ended = runs.filter((run) => run.endedAt !== null);
    const record = facts.results.get(id);
    if (ended.length === 0) return record?.status === 'SUCCESS' ? [`${id}: recorded, but no run ended`] : [];
    if (facts.waiting.has(id)) return []; // it is the business of `stuck`
    if (record?.status !== 'SUCCESS')
      return [`${id}: ended, but is recorded as ${record?.status ?? 'nothing'}`];
    return ended.some((run) => run.run === record.run) ? [] : [`${id}: no run returned what is recorded`];
  });
  const invented = [...facts.results].flatMap(([id, record]) =>
    record.status === 'SUCCESS' && !history.runs.has(id) ? [`${id}: recorded, but never ran`] : [],
  );
  return [...wrong, ...invented];
}

/** The recorded result is of a worker that had lost its lease: another run had begun before this one ended. */
function unfenced(history: History, facts: Facts): string[] {
  return [...history.runs].flatMap(([id, runs]) => {
    const index = runs.findIndex((run) => run.run === facts.results.get(id)?.run);
    const recorded = runs[index];
    if (recorded?.endedAt == null) return [];
    const { endedAt } = recorded;
    const overtaken = runs
      .slice(index + 1)
      .some((run) => run.retries === recorded.retries && run.startedAt < endedAt);
    return overtaken ? [id] : [];
  });
}

/** Something happened to the worker of the first run before the second began. */
function explains(fault: WorkerFault, before: Run, next: Run): boolean {
  return fault.pid === before.pid && before.startedAt <= fault.until && fault.at <= next.startedAt;
}

type WorkerFault = Extract<Entry, { kind: 'fault' }>;

interface Run {
  readonly run: string;
  readonly pid: number;
  readonly retries: number;
  readonly startedAt: number;
  endedAt: number | null;
}

interface History {
  /** Id -> its eta, if any. */
  readonly invoked: ReadonlyMap<string, number | undefined>;
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Id -> its runs in order of their begin. */
  readonly runs: ReadonlyMap<string, Run[]>;
  readonly faults: readonly WorkerFault[];
  /** The last fault, send or eta. */
  readonly lastDisturbance: number;
}

function gather(ledger: readonly Entry[]): History {
  const invoked = new Map<string, number | undefined>();
  const acknowledged = new Map<string, number>();
  const runs = new Map<string, Run[]>();
  const faults: WorkerFault[] = [];
  let lastDisturbance = 0;
  for (const entry of [...ledger].sort((a, b) => a.at - b.at)) {
    if (entry.kind === 'invoke') invoked.set(entry.id, entry.eta);
    else if (entry.kind === 'ok') acknowledged.set(entry.id, entry.at);
    else if (entry.kind === 'fault') faults.push(entry);
    else if (entry.kind === 'start') {
      const run: Run = { ...entry, startedAt: entry.at, endedAt: null };
      runs.set(entry.id, [...(runs.get(entry.id) ?? []), run]);
    } else if (entry.kind === 'end') {
      const run = runs.get(entry.id)?.find((each) => each.run === entry.run);
      if (run !== undefined) run.endedAt = entry.at;
    }
    const disturbs = entry.kind === 'fault' || entry.kind === 'ok' || entry.kind === 'invoke';
    if (disturbs)
      lastDisturbance = Math.max(lastDisturbance, entry.at, entry.kind === 'invoke' ? (entry.eta ?? 0) : 0);
  }
  return { invoked, acknowledged, runs, faults, lastDisturbance };
}

function hasEnded(history: History, id: string): boolean {
  return endsOf(history, id).length > 0;
}

function endsOf(history: History, id: string): number[] {
  return (history.runs.get(id) ?? []).flatMap((run) => (run.endedAt === null ? [] : [run.endedAt]));
}

interface Interrupted {
  readonly id: string;
  readonly killedAt: number;
  /** Null: it has not begun again. */
  readonly restartMs: number | null;
}

/** The runs that a kill cut off. */
function interrupted(history: History): Interrupted[] {
  const kills = history.faults.filter(({ fault }) => fault === 'kill');
  return [...history.runs].flatMap(([id, runs]) =>
    runs.flatMap((run, index) => {
      const kill = kills.find(({ pid, until }) => pid === run.pid && run.startedAt <= until);
      if (kill === undefined || run.endedAt !== null) return [];
      const next = runs[index + 1];
      if (next !== undefined && next.retries > run.retries) return []; // it had asked for that itself
      const restartMs = next === undefined ? null : Math.max(0, next.startedAt - kill.at);
      return [{ id, killedAt: kill.at, restartMs }];
    }),
  );
}
