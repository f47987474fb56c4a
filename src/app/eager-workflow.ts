// Running a workflow here and now, as workers would: one call after another, and what follows each at once.

import { nextStep, resolve } from '../canvas/by-reference.ts';
import { bodyOf, kindOf, partsOf } from '../canvas/construct.ts';
import { derivedIds, resultId } from '../canvas/freeze.ts';
import { plan, replacement } from '../canvas/plan.ts';
import type { Plan, PlannedCall } from '../canvas/planned.ts';
import { errbacksOf } from '../canvas/planner.ts';
import { UnknownTaskError, WorkflowError } from '../errors.ts';
import { asWireException } from '../protocol/exception.ts';
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import { isException, type ResultRecord, type WireException } from '../protocol/result-meta.ts';
import { saferepr } from '../protocol/saferepr.ts';
import type { Settled } from '../protocol/workflow-wire.ts';
import { AsyncResult } from '../results/async-result.ts';
import type { App } from './app.ts';
import { builtinTask } from './builtin-tasks.ts';
import { type Callee, calleeNamed, checkArguments } from './callee.ts';
import { rewritten, runEagerly } from './eager.ts';
import { EagerBackend } from './eager-backend.ts';
import { type FailedRequest, failedRequest, takesError } from './errback.ts';
import { planHere, type Start } from './plan-here.ts';
import { preparePlanned } from './planned-calls.ts';
import { resultIn } from './result-of.ts';
import type { PreparedCall } from './sender.ts';
import type { AnyTask } from './task.ts';

/**
 * Runs a workflow in this process. Its results are in memory, and gone with the result that is returned.
 * @throws UnknownTaskError for a task that is not here; with `taskEagerPropagates` what the first task to fail threw.
 */
export async function applyWorkflow<R>(
  app: App,
  signature: WireSignature,
  start: Start,
): Promise<AsyncResult<R>> {
  const run = new EagerRun(app);
  const planned = planHere(app, signature, { ...start, inlineBytes: Number.POSITIVE_INFINITY });
  for (const call of planned.calls) await checkArguments(calleeNamed(app, call.task), call);
  await run.start(planned);
  if (run.thrown !== null && app.config.taskEagerPropagates) throw run.thrown;
  return resultIn<R>(planned.handle, run.records);
}

/** Runs one call here and now. @throws UnknownTaskError, and with `taskEagerPropagates` what it threw. */
export async function applyCall<R>(
  app: App,
  { name, task }: Callee,
  prepared: PreparedCall,
): Promise<AsyncResult<R>> {
  if (task === null || task.run === null) throw new UnknownTaskError(name, undefined);
  const run = new EagerRun(app);
  await run.run(task, prepared);
  if (run.thrown !== null && app.config.taskEagerPropagates) throw run.thrown;
  return new AsyncResult<R>(prepared.message.id, run.records);
}

interface Chord {
  readonly parts: Map<string, { readonly index: number; readonly record: ResultRecord }>;
  over: boolean;
}

class EagerRun {
  readonly records: EagerBackend = new EagerBackend();
  /** What the first task to fail threw. */
  thrown: Error | null = null;
  readonly #app: App;
  readonly #chords = new Map<string, Chord>();
  #rootId: string | null = null;

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

  /** Runs a call to its end, and what follows it. */
  async run(task: AnyTask, prepared: PreparedCall): Promise<void> {
    this.#rootId ??= prepared.message.rootId;
    const {
      record,
      error,
      replacement: other,
      message,
    } = await runEagerly(task, rewritten(this.#app, prepared), prepared.queue);
    this.thrown ??= error;
    if (other !== null) {
      await this.start(plan(other, { ...replacement(message), inlineBytes: Number.POSITIVE_INFINITY }));
      return;
    }
    await this.records.put(record);
    await this.#follow(message, record);
  }

  /** What comes after a task. */
  async #follow(message: TaskMessage, record: ResultRecord): Promise<void> {
    const { id, embed } = message;
    if (record.status === 'SUCCESS') {
      for (const [index, callback] of (embed.callbacks ?? []).entries())
        await this.#next(message, callback, `link.${index}`, [record.result]);
      const next = embed.chain === null ? null : await nextStep(embed.chain, unstored);
      if (next !== null) await this.#next(message, next.step, 'chain', [record.result], next.rest);
    } else if (isException(record.status)) {
      for (const [index, errback] of (embed.errbacks ?? []).entries())
        await this.#next(
          message,
          errback,
          `error.${index}`,
          this.#toldOf(errback, record, failedRequest(message)),
        );
      // What will not run has the same failure.
      for (const step of embed.chain ?? []) await this.#fail(step, record);
    }
    // A chord does not wait for what has no end.
    const part = record.status === 'IGNORED' ? failure(id, ignored) : record;
    if (embed.chord !== null) await this.#part(message.group, message.groupIndex, embed.chord, id, part);
  }

  async #next(
    { id, rootId }: TaskMessage,
    signature: WireSignature,
    position: string,
    args: readonly unknown[],
    chain: readonly WireSignature[] | null = null,
  ): Promise<void> {
    const newId = derivedIds(id, position);
    await this.start(
      plan(signature, { args, chain, rootId, parentId: id, newId, inlineBytes: Number.POSITIVE_INFINITY }),
    );
  }

  /** A member of a chord has ended, or cannot run any more. */
  async #part(
    groupId: string | null,
    index: number | null,
    body: WireSignature,
    id: string,
    record: ResultRecord,
  ): Promise<void> {
    if (groupId === null) return;
    const chord: Chord = this.#chords.get(groupId) ?? { parts: new Map(), over: false };
    this.#chords.set(groupId, chord);
    if (chord.over) return;
    chord.parts.set(id, { index: index ?? Number.POSITIVE_INFINITY, record });
    const failsNow = body.chord_policy === 'fail-fast' && record.status !== 'SUCCESS';
    if (!failsNow && chord.parts.size < (body.chord_size ?? 0)) return;
    chord.over = true;
    const parts = [...chord.parts.values()].sort((a, b) => a.index - b.index).map((part) => part.record);
    const failed = failsNow ? record : parts.find(({ status }) => status !== 'SUCCESS');
    const whole = await resolve(body, unstored);
    if (failed === undefined || body.chord_policy === 'all-settled') {
      const results =
        body.chord_policy === 'all-settled' ? parts.map(settled) : parts.map((part) => part.result);
      const newId = derivedIds(groupId, 'body');
      await this.start(
        plan(whole, {
          args: [results],
          rootId: this.#rootId,
          parentId: id,
          newId,
          inlineBytes: Number.POSITIVE_INFINITY,
        }),
      );
    } else await this.#failBody(whole, chordError(failed));
  }

  /** The body of a chord that cannot run: it has failed, its error callbacks run once, and so does what waits for it. */
  async #failBody(body: WireSignature, error: WireException): Promise<void> {
    const bodyId = resultId(body) ?? '';
    const record = failure(bodyId, error);
    await this.#fail(body, record);
    for (const [index, errback] of errbacksOf(body).entries()) {
      const newId = derivedIds(bodyId, `error.${index}`);
      await this.start(
        plan(errback, {
          args: this.#toldOf(errback, record, { id: bodyId, task: body.task }),
          rootId: this.#rootId,
          parentId: bodyId,
          newId,
        }),
      );
    }
  }

  #toldOf(
    errback: WireSignature,
    { taskId, result, traceback }: ResultRecord,
    request: FailedRequest,
  ): unknown[] {
    return takesError(this.#app, errback) ? [request, result, traceback] : [taskId];
  }

  /** Gives what will not run the failure of what it would have followed, and tells the chords that wait for it. */
  async #fail(signature: WireSignature, record: ResultRecord): Promise<void> {
    const ended = async (id: string | null, end: WireSignature): Promise<void> => {
      if (id === null) return;
      const own = { ...record, taskId: id, children: [] };
      await this.records.put(own);
      const { chord, group_id: group, group_index: index } = end.options;
      if (chord !== undefined && chord !== null) {
        await this.#part(
          typeof group === 'string' ? group : null,
          typeof index === 'number' ? index : null,
          chord as WireSignature, // written by the planner
          id,
          own,
        );
      }
    };
    switch (kindOf(signature)) {
      case 'chain':
        for (const step of partsOf(signature)) await this.#fail(step, record);
        if (signature.options.chord) await ended(resultId(signature), signature);
        return;
      case 'group':
        for (const member of partsOf(signature)) await this.#fail(member, record);
        return;
      case 'chord':
        await this.#fail(bodyOf(signature), record);
        if (signature.options.chord) await ended(resultId(signature), signature);
        return;
      default:
        await ended(resultId(signature), signature);
    }
  }
}

const ignored: WireException = { exc_type: 'Ignore', exc_message: [], exc_module: 'celery.exceptions' };

/** Here nothing is carried by reference. */
async function unstored(id: string): Promise<readonly WireSignature[]> {
  throw new WorkflowError(`a workflow run in place refers to ${id}, which is stored elsewhere`);
}

function settled({ status, result, taskId }: ResultRecord): Settled {
  if (status === 'SUCCESS') return { status: 'fulfilled', value: result };
  const { exc_type: type, exc_message: args } = asWireException(result);
  const message = args.length === 1 ? String(args[0]) : args.map(String).join(', ');
  return { status: 'rejected', reason: { type, message, taskId } };
}

/** Celery's words. */
function chordError({ taskId, result }: ResultRecord): WireException {
  const { exc_type: type, exc_message: args } = asWireException(result);
  const shown = `${type}(${args.map((each) => saferepr(each)).join(', ')})`;
  return {
    exc_type: 'ChordError',
    exc_message: [`Dependency ${taskId} raised ${shown}`],
    exc_module: 'celery.exceptions',
  };
}

function failure(taskId: string, result: WireException): ResultRecord {
  return { taskId, status: 'FAILURE', result, traceback: null, children: [], dateDone: new Date() };
}
