// The follow-ups of a task: decided here from its end and its message, carried out by a worker, or in this process by `apply`. The same end of
// the same message always leads to the same ids, so that a repetition after a crash sends the same messages.

import { filledTextOr } from '../lib/narrow.ts';
import type { ChordPart, ChordPlace } from '../protocol/chord-part.ts';
import { decodeException, exceptionRepr } from '../protocol/exception.ts';
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import type { ResultRecord, WireException } from '../protocol/result-meta.ts';
import { celeryTask, type Settled } from '../protocol/workflow-wire.ts';
import { type Load, nextStep, resolve } from './by-reference.ts';
import { readUnlock, unlockedParts } from './chord-unlock.ts';
import { nestedValues } from './chord-values.ts';
import { failedRequest } from './failed-request.ts';
import { FailurePropagation, memberEnd } from './failure-propagation.ts';
import { derivedIds, type Handle, resultId } from './freeze.ts';
import { plan, replacement } from './plan.ts';
import type { Plan, PlanContext } from './planned.ts';
import { errbacksOf } from './planner.ts';

/** How a task ended, as far as something follows. */
export type Ended =
  | { readonly kind: 'success'; readonly value: unknown }
  | {
      readonly kind: 'failure';
      readonly status: 'FAILURE' | 'REVOKED';
      readonly error: WireException;
      readonly traceback: string | null;
    }
  /** It has no end that can be waited for: a chord must not wait for it either. */
  | { readonly kind: 'ignored' }
  /** Another workflow takes its place (`task.replace`). */
  | { readonly kind: 'replaced'; readonly signature: WireSignature };

export type TaskFailure = Extract<Ended, { kind: 'failure' }>;

/** A workflow to be started, and the place from which it is started: unique, and the same each time. */
export interface Start {
  readonly from: string;
  readonly plan: Plan;
}

/** The end of a chord's member. */
export interface MemberEnd {
  readonly part: ChordPart;
  readonly place: ChordPlace;
  /** As its message carries it; it may be a reference. */
  readonly body: WireSignature;
  readonly rootId: string;
  /** Its chord is complete already, and this program sends the body: nothing is counted. */
  readonly closed?: true;
}

/** An errback that gets the error itself, and runs where its task is known: called as a function, as in Celery. */
export interface ErrbackCall {
  readonly errback: WireSignature;
  /** The failed call, its error, its traceback. */
  readonly args: readonly [request: object, error: WireException, traceback: string | null];
  readonly rootId: string;
  /** The id of the failed task. */
  readonly parentId: string;
}

/** The follow-ups. */
export interface Follow {
  readonly starts: readonly Start[];
  readonly errbacks: readonly ErrbackCall[];
  /** Records of tasks that will never run because of this end, for those who wait for them. */
  readonly records: readonly ResultRecord[];
  readonly members: readonly MemberEnd[];
  /** The shape of the workflow that replaces the task, if it is more than one task: kept, so that its progress can be read by the task's id. */
  readonly shape?: Handle;
  /** The chord that has ended with this, also if its members were not counted by us. */
  readonly unlocked?: string;
}

/** What is needed to decide the follow-ups. */
export interface FollowRules {
  readonly load: Load;
  /** Whether this errback's task is defined here and takes (request, error, traceback); otherwise the errback is sent, with the failed task's id. */
  takesError(errback: WireSignature): boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** See {@link PlanContext}. */
  readonly inlineBytes: number;
}

/** Whether a task can have follow-ups. */
export function hasFollowers({ embed, task }: TaskMessage): boolean {
  const { callbacks, errbacks, chain, chord } = embed;
  return Boolean(
    callbacks?.length || errbacks?.length || chain?.length || chord || task === celeryTask.chordUnlock,
  );
}

/** @throws WorkflowError for a value that is no workflow, and what `load` throws */
export async function followOf(message: TaskMessage, ended: Ended, rules: FollowRules): Promise<Follow> {
  if (message.task === celeryTask.chordUnlock) return afterUnlock(message, ended, rules);
  switch (ended.kind) {
    case 'success':
      return afterSuccess(message, ended.value, rules);
    case 'failure':
      return afterFailure(message, ended, rules);
    case 'ignored': {
      const error = { exc_type: 'Ignore', exc_message: [], exc_module: 'celery.exceptions' };
      return { ...nothing, members: memberEnds(message, { status: 'FAILURE', result: error }) };
    }
    case 'replaced': {
      const context = { ...replacement(message), inlineBytes: rules.inlineBytes };
      // The replacement has the id of the task, and may be replaced again.
      const from = `${message.id} ${message.replacedTaskNesting} replaced`;
      const start = { from, plan: plan(ended.signature, context) };
      const shape = partOf(start.plan.handle, message.id);
      return { ...nothing, starts: [start], ...(shape?.parent && { shape }) };
    }
  }
}

/** The part of a workflow's handle that ends with this task: the task's callbacks are no part of its replacement. */
function partOf(handle: Handle, id: string): Handle | null {
  for (let part: Handle | null = handle; part !== null; part = part.parent)
    if (part.kind === 'task' && part.id === id) return part;
  return null;
}

/** The same, without a promise, for the most frequent case: a chord's member that succeeded. Null: another case. */
export function followOfMember(message: TaskMessage, ended: Ended): Follow | null {
  const { callbacks, chain, chord } = message.embed;
  if (ended.kind !== 'success' || chord === null || message.task === celeryTask.chordUnlock) return null;
  if (callbacks?.length || chain?.length) return null; // errbacks are for failures
  const result = ended.value === undefined ? null : ended.value;
  return { ...nothing, members: memberEnds(message, { status: 'SUCCESS', result }) };
}

const nothing: Follow = { starts: [], errbacks: [], records: [], members: [] };

async function afterSuccess(
  message: TaskMessage,
  value: unknown,
  { load, inlineBytes }: FollowRules,
): Promise<Follow> {
  const { id, rootId, embed, replacedTaskNesting } = message;
  const args = [value === undefined ? null : value];
  const starts: Start[] = [];
  const start = (signature: WireSignature, place: string, chain: readonly WireSignature[]): void => {
    const context = { args, chain, rootId, parentId: id, newId: derivedIds(id, place), inlineBytes };
    starts.push({ from: `${id} ${replacedTaskNesting} ${place}`, plan: plan(signature, context) });
  };
  for (const [index, callback] of (embed.callbacks ?? []).entries())
    start(await resolve(callback, load), `link.${index}`, []);
  const next = await nextStep(embed.chain ?? [], load);
  if (next !== null) start(next.step, 'chain', next.rest);
  return { ...nothing, starts, members: memberEnds(message, { status: 'SUCCESS', result: args[0] }) };
}

async function afterFailure(message: TaskMessage, failure: TaskFailure, rules: FollowRules): Promise<Follow> {
  const { embed, rootId } = message;
  const { status, error } = failure;
  const lost = new FailurePropagation(failure, rules, rootId);
  const request = failedRequest(message);
  // As in Celery, a revoked task has no error for errbacks.
  if (status === 'FAILURE') await lost.errbacks(message.id, embed.errbacks ?? [], request);
  await lost.addRest(embed.chain ?? []);
  const { starts, calls, records, members } = lost;
  const own = memberEnds(message, { status, result: error });
  return { starts, errbacks: calls, records, members: [...own, ...members] };
}

/**
 * The follow-ups when all members of a chord have ended: its body, or its failure.
 * @param values the results, if they are not simply those of the parts in order
 */
export async function afterChord(
  member: MemberEnd,
  parts: readonly ChordPart[],
  rules: FollowRules,
  values?: readonly unknown[],
): Promise<Follow> {
  const { groupId } = member.place;
  const body = await resolve(member.body, rules.load);
  const rootId = filledTextOr(body.options.root_id, member.rootId);
  const failed = parts.find(({ status }) => status !== 'SUCCESS');
  const settles = body.chord_policy === 'all-settled';
  if (failed !== undefined && !settles)
    return failBody(
      body,
      rootId,
      chordError(`Dependency ${failed.taskId} raised ${exceptionRepr(failed.result)}`),
      rules,
    );
  const args = [settles ? parts.map(settledOf) : (values ?? parts.map(({ result }) => result))];
  const { inlineBytes } = rules;
  const newId = derivedIds(groupId, 'body');
  const context = { args, rootId, parentId: member.part.taskId, newId, inlineBytes };
  return { ...nothing, starts: [{ from: `${groupId} body`, plan: plan(body, context) }] };
}

/** The follow-ups of Celery's task that polls the results of a chord: the same as if the members had been counted. */
async function afterUnlock(message: TaskMessage, ended: Ended, rules: FollowRules): Promise<Follow> {
  if (ended.kind === 'ignored' || ended.kind === 'replaced') return nothing;
  const { groupId, body, header } = readUnlock(message);
  if (ended.kind === 'failure') {
    const failed = chordError(exceptionRepr(ended.error));
    return { ...(await failBody(body, message.rootId, failed, rules)), unlocked: groupId };
  }
  const parts = unlockedParts(ended.value);
  if (parts === null) return nothing;
  const part: ChordPart = { taskId: message.id, status: 'SUCCESS', result: null };
  const member = memberEnd(part, groupId, null, body, message.rootId);
  const values = nestedValues([[groupId, null], header], parts);
  return { ...(await afterChord(member, parts, rules, values)), unlocked: groupId };
}

/** The follow-ups when the body of a chord cannot be started. */
export async function failBody(
  body: WireSignature,
  rootId: string,
  failure: TaskFailure,
  rules: FollowRules,
): Promise<Follow> {
  const lost = new FailurePropagation(failure, rules, rootId);
  lost.add(body);
  const id = resultId(body);
  if (id !== null) await lost.errbacks(id, errbacksOf(body), { id, task: body.task });
  const { starts, calls, records, members } = lost;
  return { starts, errbacks: calls, records, members };
}

/** Celery's error of a chord whose body did not run. */
export function chordError(message: string): TaskFailure {
  const error = { exc_type: 'ChordError', exc_message: [message], exc_module: 'celery.exceptions' };
  return { kind: 'failure', status: 'FAILURE', error, traceback: null };
}

function memberEnds(
  { id, group, groupIndex, embed, rootId }: TaskMessage,
  how: Pick<ChordPart, 'status' | 'result'>,
): MemberEnd[] {
  if (embed.chord === null || group === null) return [];
  return [memberEnd({ taskId: id, ...how }, group, groupIndex, embed.chord, rootId)];
}

function settledOf({ taskId, status, result }: ChordPart): Settled {
  if (status === 'SUCCESS') return { status: 'fulfilled', value: result };
  const { type, message } = decodeException(result, null);
  return { status: 'rejected', reason: { type, message, taskId } };
}
