// Running a workflow in this process, as workers would: one call after another, and after each call its follow-ups.

import { UnknownTaskError, WorkflowError } from '../../errors.ts';
import { silentLogger } from '../../lib/logger.ts';
import type { ChordPart } from '../../protocol/chord-part.ts';
import { asWireException } from '../../protocol/exception.ts';
import type { WireSignature } from '../../protocol/message.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import { AsyncResult } from '../../results/async-result.ts';
import { type Callee, calleeNamed, checkArguments } from '../../sending/callee.ts';
import type { PreparedCall } from '../../sending/prepare.ts';
import {
  afterChord,
  type Ended,
  type Follow,
  type FollowRules,
  followOf,
  type MemberEnd,
} from '../../workflow/follow.ts';
import { type LocalStart, planHere } from '../../workflow/plan-here.ts';
import type { Plan, PlannedCall } from '../../workflow/planned.ts';
import { preparePlanned } from '../../workflow/planned-calls.ts';
import { resultIn } from '../../workflow/result-of.ts';
import type { App } from '../app.ts';
import type { AnyTask } from '../task.ts';
import { builtinTask } from './builtin-tasks.ts';
import { currentTask } from './context.ts';
import { rewritten, runEagerly } from './eager.ts';
import { EagerBackend } from './eager-backend.ts';
import { callErrback, takesError } from './errback.ts';

/**
 * Runs a workflow in this process. Its results are kept in memory as long as the returned result.
 * @throws UnknownTaskError for a task that is not defined here; with `taskEagerPropagates` the error of the first task that failed.
 */
export async function applyWorkflow<R>(
  app: App,
  signature: WireSignature,
  start: LocalStart,
): Promise<AsyncResult<R>> {
  const run = new EagerRun(app);
  const planned = planHere(app, signature, { ...start, inlineBytes: Number.POSITIVE_INFINITY });
  for (const call of planned.calls) await checkArguments(calleeNamed(app, call.task), call);
  await run.start(planned);
  if (run.thrown !== null && app.config.taskEagerPropagates) throw run.thrown;
  return resultIn<R>(planned.handle, run.records);
}

/** Runs one call in this process. @throws UnknownTaskError, and with `taskEagerPropagates` the task's error */
export async function applyCall<R>(
  app: App,
  { name, task }: Callee<AnyTask>,
  prepared: PreparedCall,
): Promise<AsyncResult<R>> {
  if (task === null || task.run === null) throw new UnknownTaskError(name, undefined);
  const run = new EagerRun(app);
  await run.run(task, prepared);
  if (run.thrown !== null && app.config.taskEagerPropagates) throw run.thrown;
  return new AsyncResult<R>(prepared.message.id, run.records);
}

interface Chord {
  readonly parts: Map<string, { readonly index: number; readonly part: ChordPart }>;
  over: boolean;
}

class EagerRun {
  readonly records: EagerBackend = new EagerBackend();
  /** The error of the first task that failed. */
  thrown: Error | null = null;
  readonly #app: App;
  readonly #chords = new Map<string, Chord>();

  constructor(app: App) {
    this.#app = app;
  }

  async start({ calls }: Plan): Promise<void> {
    for (const call of calls) await this.#call(call);
  }

  async #call(call: PlannedCall): Promise<void> {
    const app = this.#app;
    const task = app.tasks.get(call.task) ?? builtinTask(app, call.task);
    if (!task?.run) throw new UnknownTaskError(call.task, undefined);
    await this.run(task, preparePlanned(app, call));
  }

  /** Runs a call to its end, and then its follow-ups. */
  async run(task: AnyTask, prepared: PreparedCall): Promise<void> {
    const {
      record,
      error,
      replacement: other,
      message,
    } = await runEagerly(task, rewritten(this.#app, prepared), prepared.queue);
    this.thrown ??= error;
    if (other !== null)
      return this.#follow(await followOf(message, { kind: 'replaced', signature: other }, this.#rules()));
    await this.records.put(record);
    await this.#follow(await followOf(message, endedAs(record), this.#rules()));
  }

  /** Runs a task's follow-ups: first its callbacks, then the chord that waits for it. */
  async #follow({ starts, errbacks, records, members }: Follow): Promise<void> {
    const around = currentTask() ?? { signal: new AbortController().signal, logger: silentLogger };
    for (const { plan } of starts) await this.start(plan);
    for (const call of errbacks) await callErrback(this.#app, call, around);
    for (const record of records) await this.records.put(record);
    for (const member of members) await this.#part(member);
  }

  /** A member of a chord has ended, or can never run. */
  async #part(member: MemberEnd): Promise<void> {
    const { groupId, index, last } = member.place;
    const chord: Chord = this.#chords.get(groupId) ?? { parts: new Map(), over: false };
    this.#chords.set(groupId, chord);
    if (chord.over) return;
    chord.parts.set(member.part.taskId, { index: index ?? Number.POSITIVE_INFINITY, part: member.part });
    if (!last && chord.parts.size < (member.body.chord_size ?? 0)) return;
    chord.over = true;
    const parts = [...chord.parts.values()].sort((a, b) => a.index - b.index).map(({ part }) => part);
    await this.#follow(await afterChord(member, parts, this.#rules()));
  }

  #rules(): FollowRules {
    return {
      load: unstored,
      takesError: (errback) => takesError(this.#app, errback),
      now: Date.now(),
      inlineBytes: Number.POSITIVE_INFINITY,
    };
  }
}

/** In this process nothing is carried by reference. */
async function unstored(id: string): Promise<readonly WireSignature[]> {
  throw new WorkflowError(`a workflow run in place refers to ${id}, which is stored elsewhere`);
}

function endedAs({ status, result, traceback }: ResultRecord): Ended {
  if (status === 'SUCCESS') return { kind: 'success', value: result };
  return status === 'IGNORED'
    ? { kind: 'ignored' }
    : { kind: 'failure', status: 'FAILURE', error: asWireException(result), traceback };
}
