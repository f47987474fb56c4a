// Which calls start a workflow, and what each of them carries along.

import { WorkflowError } from '../errors.ts';
import { filledTextOr } from '../lib/narrow.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { storedId } from '../protocol/workflow-wire.ts';
import { defaultInlineBytes, PayloadStore } from './by-reference.ts';
import {
  bodyOf,
  chainIn,
  headerOf,
  kindOf,
  listedIn,
  partsOf,
  readSignature,
  withListed,
  withOptions,
} from './construct.ts';
import type { PlanContext, PlannedCall, PlannedChord } from './planned.ts';

/** Walks through a frozen workflow in normal form, and collects the calls to send. */
export class Planner {
  readonly calls: PlannedCall[] = [];
  readonly chords: PlannedChord[] = [];
  readonly payloads: PayloadStore;
  readonly #context: PlanContext;

  constructor(context: PlanContext) {
    this.#context = context;
    this.payloads = new PayloadStore(context.inlineBytes ?? defaultInlineBytes, context.newId);
  }

  start(whole: WireSignature, chain: readonly WireSignature[]): void {
    const { args = [], kwargs = {}, groupId = null, groupIndex = null, chord = null } = this.#context;
    this.#emit(whole, { args, kwargs, chain, groupId, groupIndex, chord });
  }

  #emit(part: WireSignature, given: Around): void {
    const around = { ...given, ...placeIn(part.options, given) };
    switch (kindOf(part)) {
      case 'chain':
        this.#chain(part, around);
        break;
      case 'group':
        this.#group(part, around);
        break;
      case 'chord':
        this.#chord(part, around);
        break;
      default:
        this.#task(part, around);
    }
  }

  #task(part: WireSignature, { args, kwargs, chain, groupId, groupIndex, chord }: Around): void {
    if (storedId(part) !== null)
      throw new WorkflowError('a reference to a stored workflow must be resolved before it is planned');
    const { task_id, link, link_error, root_id, parent_id, replaced_task_nesting, ...others } = part.options;
    const { group_id: _, group_index: __, chord: ___, chain: ____, ...options } = others;
    const id = typeof task_id === 'string' ? task_id : this.#context.newId('');
    const callbacks = listedIn(part.options, 'link').map((one) => this.payloads.one(one));
    const errbacks = listedIn(part.options, 'link_error').map((one) => this.payloads.one(one));
    const rest = chain.length > 0 ? chain : chainIn(part);
    const first = this.calls[0];
    const { rootId, parentId } = this.#context;
    this.calls.push({
      id,
      task: part.task,
      args: part.immutable ? part.args : [...args, ...part.args],
      kwargs: part.immutable ? part.kwargs : { ...part.kwargs, ...kwargs },
      options,
      embed: {
        callbacks: callbacks.length > 0 ? callbacks : null,
        errbacks: errbacks.length > 0 ? errbacks : null,
        chain: rest.length > 0 ? rest : null,
        chord,
      },
      groupId,
      groupIndex,
      rootId: rootId ?? filledTextOr(root_id, first?.rootId ?? id),
      parentId: parentId ?? filledTextOr(parent_id, null),
      replacedTaskNesting:
        this.#context.replacedTaskNesting ??
        (typeof replaced_task_nesting === 'number' ? replaced_task_nesting : 0),
    });
  }

  #chain(part: WireSignature, around: Around): void {
    const { groupId, groupIndex, chord } = around;
    const errbacks = listedIn(part.options, 'link_error');
    const steps = partsOf(part).map((step) => withListed(step, 'link_error', errbacks));
    const [first, ...rest] = steps;
    if (first === undefined) throw new WorkflowError('a chain needs at least one step');
    const last = rest.pop();
    if (last === undefined) {
      this.#emit(first, around); // Python may send a chain of one step
      return;
    }
    // Waiting for the chain means waiting for its last step, so only this step gets the chain's group, index and chord.
    const ending = withListed(
      withOptions(last, {
        ...(groupId !== null && { group_id: groupId }),
        ...(groupIndex !== null && { group_index: groupIndex }),
        ...(chord !== null && { chord }),
      }),
      'link',
      listedIn(part.options, 'link'),
    );
    const chain = this.payloads.chain([ending, ...rest.reverse()]);
    this.#emit(first, { ...around, chain, groupId: null, groupIndex: null, chord: null });
  }

  #group(part: WireSignature, { args, kwargs, chord }: Around): void {
    const groupId = filledTextOr(part.options.task_id, null);
    const errbacks = listedIn(part.options, 'link_error');
    for (const [groupIndex, member] of partsOf(part).entries()) {
      this.#emit(withListed(member, 'link_error', errbacks), {
        args,
        kwargs,
        chain: [],
        groupId,
        groupIndex,
        chord,
      });
    }
  }

  #chord(part: WireSignature, { args, kwargs, groupId, groupIndex, chord }: Around): void {
    const header = headerOf(part);
    const own = filledTextOr(header.options.task_id, null) ?? this.#context.newId('header');
    const size = countedParts(header);
    const plain = bodyOf(part);
    const followers = {
      link: listedIn(part.options, 'link'),
      link_error: listedIn(part.options, 'link_error'),
    };
    const body = withListed(
      withListed(
        withOptions(plain, {
          // Celery tells the body's task which chord it is the body of; a body that ends in another task may have a place of its own there.
          ...(kindOf(plain) === 'task' && plain.options.group_id === undefined && { group_id: own }),
          ...(groupId !== null && { group_id: groupId }),
          ...(groupIndex !== null && { group_index: groupIndex }),
          ...(chord !== null && { chord }),
        }),
        'link',
        followers.link,
      ),
      'link_error',
      followers.link_error,
    );
    if (size === 0) {
      this.#emit(body, { ...nothingAround, args: [[]] });
      return;
    }
    const carried = this.payloads.one({ ...body, chord_size: size });
    const place = this.chords.length; // an outer chord before those within
    this.#group(withOptions(header, { task_id: own }), { ...nothingAround, args, kwargs, chord: carried });
    const rootId = this.#context.rootId ?? this.calls[0]?.rootId ?? own;
    this.chords.splice(place, 0, { groupId: own, size, body: carried, rootId, members: countedIds(header) });
  }
}

/** What a part gets from its surroundings. */
interface Around {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
  readonly chain: readonly WireSignature[];
  readonly groupId: string | null;
  readonly groupIndex: number | null;
  readonly chord: WireSignature | null;
}

/** How many parts of a chord's header are counted. Celery's rule (`_descend`): each task, and the last task of a nested part. */
function countedParts(part: WireSignature): number {
  switch (kindOf(part)) {
    case 'group':
      return partsOf(part).reduce((sum, member) => sum + countedParts(member), 0);
    case 'chord':
      return countedParts(bodyOf(part));
    case 'chain':
      return partsOf(part).reduceRight((size, step) => (size > 0 ? size : countedParts(step)), 0);
    default:
      return 1;
  }
}

/** The ids of the parts that are counted, in their order. */
function countedIds(part: WireSignature): readonly string[] {
  switch (kindOf(part)) {
    case 'group':
      return partsOf(part).flatMap(countedIds);
    case 'chord':
      return countedIds(bodyOf(part));
    case 'chain':
      return partsOf(part).reduceRight<readonly string[]>(
        (ids, step) => (ids.length > 0 ? ids : countedIds(step)),
        [],
      );
    default:
      return typeof part.options.task_id === 'string' ? [part.options.task_id] : [];
  }
}

const nothingAround: Around = {
  args: [],
  kwargs: {},
  chain: [],
  groupId: null,
  groupIndex: null,
  chord: null,
};

/** The place of a part: of its surroundings, else its own if it was frozen. */
function placeIn(options: Json, given: Around): Pick<Around, 'groupId' | 'groupIndex' | 'chord'> {
  const { group_id, group_index, chord } = options;
  return {
    groupId: given.groupId ?? filledTextOr(group_id, null),
    groupIndex: given.groupIndex ?? (typeof group_index === 'number' ? group_index : null),
    chord:
      given.chord ??
      (chord === undefined || chord === null ? null : readSignature(chord, 'the option chord')),
  };
}

/**
 * The errbacks to run, once each, when a workflow fails before any part of it has run: those that would run if its first part failed. The
 * body of a chord whose header failed is such a workflow.
 */
export function errbacksOf(workflow: WireSignature): readonly WireSignature[] {
  const own = listedIn(workflow.options, 'link_error');
  switch (kindOf(workflow)) {
    case 'chain': {
      const [first] = partsOf(workflow);
      return first === undefined ? own : [...own, ...errbacksOf(first)];
    }
    case 'group':
      return [...own, ...partsOf(workflow).flatMap(errbacksOf)];
    case 'chord':
      return [...own, ...errbacksOf(headerOf(workflow)), ...errbacksOf(bodyOf(workflow))];
    default:
      return own;
  }
}
