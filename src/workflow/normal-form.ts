// Rewrites workflows into normal form: the only place that does. However its parts are nested, a workflow becomes one of a few forms.
import { WorkflowError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { celeryTask } from '../protocol/workflow-wire.ts';
import {
  asChain,
  bodyOf,
  chainOf,
  chordOf,
  groupOf,
  groupOfChunks,
  headerOf,
  kindOf,
  listedIn,
  ofParts,
  partsOf,
  taskSignature,
  withListed,
  withOptions,
} from './construct.ts';

/**
 * The normal form of a workflow:
 * - a chain has two steps or more, no step is a chain, and only its last may be a group or a chord;
 * - a group that is followed by something is a chord, and what follows a chord belongs to its body;
 * - a member of a chord's header ends in one task: a group there is collected into one list by `celery.accumulate`, so that
 *   each member counts once and the results keep their nesting;
 * - the option `chain` of a chain, a group or a chord, which Celery writes, becomes steps after it;
 * - chunks become groups; options of a compound become options of its parts, except its ids.
 * Parts that were frozen before (by us or by Python) keep their ids.
 * @param asOne It must end in one task: it is a member of a chord's header, or replaces a task.
 * @throws WorkflowError for a value that is no workflow
 */
export function normalize(given: WireSignature, asOne = false): WireSignature {
  const signature = kindOf(given) === 'task' ? given : asChain(given);
  switch (kindOf(signature)) {
    case 'task':
      return signature; // its message carries the option `chain` as it is
    case 'chunks':
      return normalize(groupOfChunks(signature), asOne);
    case 'group':
      return asOne && !isFrozen(signature)
        ? endingInOne(normalizeGroup(signature, asOne))
        : normalizeGroup(signature, false);
    case 'chord':
      return normalizeChord(signature, asOne);
    case 'chain':
      return asOne ? endingInOne(normalizeChain(signature, asOne)) : normalizeChain(signature, false);
  }
}

/** The same for a workflow in normal form. */
function endingInOne(signature: WireSignature): WireSignature {
  switch (kindOf(signature)) {
    case 'group': {
      if (isFrozen(signature)) return signature; // Python counts its members as parts of the chord around it
      const { header, own } = optionsAsHeader(signature);
      return chordOf(groupOf(partsOf(signature).map(endingInOne), header), collect, own);
    }
    case 'chord': {
      const body = bodyOf(signature);
      return chordOf(headerOf(signature), endingInOne(body), signature.options, body.chord_policy);
    }
    case 'chain': {
      const steps = partsOf(signature);
      const last = steps.at(-1);
      return last === undefined
        ? signature
        : { ...signature, kwargs: ofParts([...steps.slice(0, -1), endingInOne(last)]) };
    }
    default:
      return signature;
  }
}

/** Collects the results of a group into one list, which is one value: Celery's own way in `Task.replace`. */
const collect = taskSignature(celeryTask.accumulate, [], { index: 0 });

/** Its members have ids: its sender waits for them under these ids. */
function isFrozen(group: WireSignature): boolean {
  return partsOf(group).some(({ options }) => options.group_id !== undefined && options.group_id !== null);
}

function normalizeGroup(group: WireSignature, asOne: boolean): WireSignature {
  const { own, shared } = splitOptions(group.options);
  if (listedIn(own, 'link').length > 0)
    throw new WorkflowError('a group ends many times, so nothing can be linked to it: use a chord');
  const tasks = partsOf(group).map((part) => normalize(inherit(prepended(part, group), shared), asOne));
  return groupOf(tasks, own);
}

function normalizeChord(chord: WireSignature, asOne: boolean): WireSignature {
  const { own, shared } = splitOptions(chord.options);
  const { link, link_error, ...ids } = own;
  const { countdown: _, eta: __, ...later } = shared;
  const header = inherit(prepended(headerOf(chord), chord), shared);
  const body = bodyOf(chord);
  const end = inherit(body, later);
  // A whole that must end in one task has its callbacks on that task: a group at its end is collected into one task first.
  const followed = followedUp(asOne ? normalize(end, asOne) : end, own);
  return chordOf(normalizeGroup(header, true), normalize(followed), ids, body.chord_policy);
}

function normalizeChain(chain: WireSignature, asOne: boolean): WireSignature {
  const steps = ownSteps(chain);
  const normal: WireSignature[] = [];
  for (const [index, step] of steps.entries()) {
    const rest = steps.slice(index + 1);
    // A chain of one step is that step.
    const parts = spliced(normalize(step, asOne && rest.length === 0 && steps.length > 1));
    const last = parts.at(-1);
    if (last !== undefined && rest.length > 0 && kindOf(last) !== 'task') {
      normal.push(...parts.slice(0, -1), followedBy(last, rest, asOne));
      break;
    }
    normal.push(...parts);
  }
  const { own } = splitOptions(chain.options);
  const [only] = normal;
  if (only === undefined) throw new WorkflowError('a chain needs at least one step');
  if (normal.length > 1) return chainOf(normal, own);
  const { link, link_error, ...ids } = own;
  return normalize(followedUp(withOptions(only, ids), own), asOne);
}

/** A group or a chord with the steps after it. */
function followedBy(part: WireSignature, rest: readonly WireSignature[], asOne: boolean): WireSignature {
  if (kindOf(part) === 'group') {
    const { header, own } = optionsAsHeader(part);
    return normalizeChord(chordOf({ ...part, options: header }, chainOf(rest), own), asOne);
  }
  const body = bodyOf(part);
  return normalizeChord(
    chordOf(headerOf(part), chainOf([body, ...rest]), part.options, body.chord_policy),
    asOne,
  );
}

/** The options of a group that becomes the header of a chord: it keeps its id and its errbacks. */
function optionsAsHeader({ options }: WireSignature): { readonly header: Json; readonly own: Json } {
  const { link_error, task_id, ...own } = options;
  return {
    header: { ...(link_error !== undefined && { link_error }), ...(task_id !== undefined && { task_id }) },
    own,
  };
}

/** The steps of a chain, with the options that apply to all of them. */
function ownSteps(chain: WireSignature): WireSignature[] {
  const { countdown, eta, ...shared } = splitOptions(chain.options).shared;
  const first = {
    ...shared,
    ...(countdown !== undefined && { countdown }),
    ...(eta !== undefined && { eta }),
  };
  return partsOf(chain).map((step, index) =>
    index === 0 ? inherit(prepended(step, chain), first) : inherit(step, shared),
  );
}

/** The steps of a chain in normal form, to be put among other steps; anything else is one step. */
function spliced(part: WireSignature): readonly WireSignature[] {
  if (kindOf(part) !== 'chain') return [part];
  const steps = partsOf(part);
  const link = listedIn(part.options, 'link');
  const link_error = listedIn(part.options, 'link_error');
  return steps.map((step, index) =>
    normalize(
      withListed(withListed(step, 'link', index === steps.length - 1 ? link : []), 'link_error', link_error),
    ),
  );
}

/** Arguments of a compound go to its first part (in a group, to all parts). */
function prepended(part: WireSignature, { args }: WireSignature): WireSignature {
  return part.immutable || args.length === 0 ? part : { ...part, args: [...args, ...part.args] };
}

/** Options of a compound apply to its parts; a part's own options take precedence. */
function inherit(part: WireSignature, shared: Json): WireSignature {
  for (const _ in shared) return { ...part, options: { ...shared, ...part.options } };
  return part;
}

function followedUp(part: WireSignature, options: Json): WireSignature {
  return withListed(
    withListed(part, 'link', listedIn(options, 'link')),
    'link_error',
    listedIn(options, 'link_error'),
  );
}

/** Divides a compound's options into its own and those of its parts. */
function splitOptions(options: Json): { own: Json; shared: Json } {
  const own: Record<string, unknown> = {};
  const shared: Record<string, unknown> = {};
  for (const name in options) (ownOptions.has(name) ? own : shared)[name] = options[name];
  return { own, shared };
}

/** Options that identify and place a part, and name its follow-ups. */
const ownOptions: ReadonlySet<string> = new Set([
  'task_id',
  'group_id',
  'group_index',
  'chord',
  'chain',
  'root_id',
  'parent_id',
  'reply_to',
  'replaced_task_nesting',
  'link',
  'link_error',
]);
