// Tasks that never run because of a failure: their records are written, and their chords are told.

import { WorkflowError } from '../errors.ts';
import { filledTextOr } from '../lib/narrow.ts';
import type { ChordPart } from '../protocol/chord-part.ts';
import type { WireSignature } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { nextStep, resolve } from './by-reference.ts';
import { asChain, bodyOf, headerOf, kindOf, partsOf, readSignature } from './construct.ts';
import type { ErrbackCall, FollowRules, MemberEnd, Start, TaskFailure } from './follow.ts';
import { derivedIds, resultId } from './freeze.ts';
import { plan } from './plan.ts';

/** Collects the consequences of a failure. */
export class FailurePropagation {
  readonly starts: Start[] = [];
  readonly calls: ErrbackCall[] = [];
  readonly records: ResultRecord[] = [];
  readonly members: MemberEnd[] = [];
  readonly #failure: TaskFailure;
  readonly #rules: FollowRules;
  readonly #rootId: string;

  constructor(failure: TaskFailure, rules: FollowRules, rootId: string) {
    this.#failure = failure;
    this.#rules = rules;
    this.#rootId = rootId;
  }

  async errbacks(failedId: string, errbacks: readonly WireSignature[], request: object): Promise<void> {
    const { error, traceback } = this.#failure;
    for (const [index, reference] of errbacks.entries()) {
      const errback = await resolve(reference, this.#rules.load);
      const around = { rootId: this.#rootId, parentId: failedId };
      if (kindOf(errback) === 'task' && this.#rules.takesError(errback)) {
        this.calls.push({ errback, args: [request, error, traceback], ...around });
        continue;
      }
      const place = `error.${index}`;
      const context = {
        args: [failedId],
        ...around,
        newId: derivedIds(failedId, place),
        inlineBytes: this.#rules.inlineBytes,
      };
      this.starts.push({ from: `${failedId} ${place}`, plan: plan(errback, context) });
    }
  }

  /** Adds the remaining steps of a chain, which are reversed. */
  async addRest(reversed: readonly WireSignature[]): Promise<void> {
    for (let rest = reversed; ; ) {
      const next = await this.#nextOf(rest);
      if (next === null) return;
      this.add(next.step);
      rest = next.rest;
    }
  }

  /** Adds all tasks of a signature that will never run. Its last task counts as a member of the chord it is part of. */
  add(given: WireSignature, around: Around = nowhere): void {
    const signature = asChain(given);
    const within = placeIn(signature, around);
    switch (kindOf(signature)) {
      case 'chain': {
        const steps = partsOf(signature);
        for (const [index, step] of steps.entries())
          this.add(step, index === steps.length - 1 ? within : nowhere);
        break;
      }
      case 'group': {
        const groupId = filledTextOr(signature.options.task_id, null);
        for (const [groupIndex, member] of partsOf(signature).entries())
          this.add(member, { groupId, groupIndex, chord: within.chord });
        break;
      }
      case 'chord':
        this.add({ ...headerOf(signature) });
        this.add(bodyOf(signature), within);
        break;
      default:
        this.#addTask(signature, within);
    }
  }

  async #nextOf(rest: readonly WireSignature[]): ReturnType<typeof nextStep> {
    try {
      return await nextStep(rest, this.#rules.load);
    } catch (error) {
      const step = rest.at(-1);
      // When a stored list is gone, the id of its last task is still known.
      if (error instanceof WorkflowError && step !== undefined) return { step, rest: rest.slice(0, -1) };
      throw error;
    }
  }

  #addTask({ options }: WireSignature, { groupId, groupIndex, chord }: Around): void {
    const id = filledTextOr(options.task_id, null);
    if (id === null) return;
    const { status, error, traceback } = this.#failure;
    this.records.push({
      taskId: id,
      status,
      result: error,
      traceback,
      children: [],
      dateDone: new Date(this.#rules.now),
      groupId,
      parentId: filledTextOr(options.parent_id, null),
    });
    if (groupId === null || chord === null) return;
    const part = { taskId: id, status, result: error };
    this.members.push(memberEnd(part, groupId, groupIndex, chord, this.#rootId));
  }
}

/** What a part belongs to. */
interface Around {
  readonly groupId: string | null;
  readonly groupIndex: number | null;
  readonly chord: WireSignature | null;
}

const nowhere: Around = { groupId: null, groupIndex: null, chord: null };

function placeIn({ options }: WireSignature, around: Around): Around {
  const { group_id, group_index, chord } = options;
  return {
    groupId: around.groupId ?? filledTextOr(group_id, null),
    groupIndex: around.groupIndex ?? (typeof group_index === 'number' ? group_index : null),
    chord: around.chord ?? (chord == null ? null : readSignature(chord, 'the option chord')),
  };
}

/** A member's end, and its place. `body`: as its message carries it. */
export function memberEnd(
  part: ChordPart,
  groupId: string,
  index: number | null,
  body: WireSignature,
  rootId: string,
): MemberEnd {
  const last = part.status !== 'SUCCESS' && body.chord_policy === 'fail-fast';
  return { part, place: { groupId, index, bodyId: resultId(body), last }, body, rootId };
}
