// The ids of a workflow: with them its results are known before any part of it has run.
import { WorkflowError } from '../errors.ts';
import { uuid5, uuid7 } from '../lib/uuid.ts';
import type { WireSignature } from '../protocol/message.ts';
import { bodyOf, headerOf, kindOf, ofParts, partsOf, withOptions } from './construct.ts';

/** The ids of a workflow's results: of one task, or of a group. `parent`: of the workflow before it. */
export type Handle =
  | { readonly kind: 'task'; readonly id: string; readonly parent: Handle | null }
  | {
      readonly kind: 'group';
      readonly id: string;
      readonly members: readonly Handle[];
      readonly parent: Handle | null;
    };

/** An id for a message that is sent for the first time. */
export function randomIds(): string {
  return uuid7();
}

/** Ids made of the sender's id and the place in the workflow, so that a message that is sent twice has the same id. */
export function derivedIds(owner: string, position: string): (place: string) => string {
  return (place) => uuid5(owner, place === '' ? position : `${position}.${place}`);
}

/**
 * Gives an id to each part of a workflow in normal form that has none: `task_id` among its options, as Celery's `freeze`. The id of a chain
 * is the id of its last step, the id of a chord is its body's, and a group has its own.
 */
export function freeze(
  signature: WireSignature,
  id: string | null,
  newId: (place: string) => string,
  place = '',
): WireSignature {
  const at = (part: string): string => (place === '' ? part : `${place}.${part}`);
  switch (kindOf(signature)) {
    case 'chain': {
      const steps = partsOf(signature);
      const last = steps.length - 1;
      const own = resultId(signature) ?? id;
      const tasks = steps.map((step, index) =>
        freeze(step, index === last ? own : null, newId, at(`chain.${index}`)),
      );
      return named({ ...signature, kwargs: ofParts(tasks) });
    }
    case 'group': {
      const tasks = partsOf(signature).map((part, index) => freeze(part, null, newId, at(`${index}`)));
      return withId(
        { ...signature, kwargs: ofParts(tasks) },
        signature.options.task_id ?? id ?? newId(at('group')),
      );
    }
    case 'chord': {
      const header = freeze(headerOf(signature), null, newId, at('header'));
      const body = freeze(bodyOf(signature), resultId(signature) ?? id, newId, at('body'));
      return named({ ...signature, kwargs: { ...signature.kwargs, header, body } });
    }
    default:
      return withId(signature, signature.options.task_id ?? id ?? newId(place));
  }
}

/** The ids of the results of a frozen workflow. */
export function handleOf(frozen: WireSignature, parent: Handle | null = null): Handle {
  switch (kindOf(frozen)) {
    case 'chain': {
      let previous = parent;
      for (const step of partsOf(frozen)) previous = handleOf(step, previous);
      return previous ?? { kind: 'task', id: resultId(frozen) ?? '', parent };
    }
    case 'group': {
      const members = partsOf(frozen).map((part) => handleOf(part));
      return { kind: 'group', id: resultId(frozen) ?? '', members, parent };
    }
    case 'chord':
      return handleOf(bodyOf(frozen), handleOf(headerOf(frozen), parent));
    default:
      return { kind: 'task', id: resultId(frozen) ?? '', parent };
  }
}

/** The id of a workflow's result, if it has one. */
export function resultId(signature: WireSignature): string | null {
  const { task_id: own } = signature.options;
  const given = typeof own === 'string' ? own : null;
  switch (kindOf(signature)) {
    case 'chain': {
      const last = partsOf(signature).at(-1);
      return (last === undefined ? null : resultId(last)) ?? given;
    }
    case 'chord':
      return resultId(bodyOf(signature)) ?? given;
    default:
      return given;
  }
}

/** The same workflow with this id for its last task; its other parts keep their ids. */
export function endingAs(signature: WireSignature, id: string): WireSignature {
  switch (kindOf(signature)) {
    case 'chain': {
      const steps = partsOf(signature);
      const tasks = steps.map((step, index) => (index === steps.length - 1 ? endingAs(step, id) : step));
      return { ...signature, kwargs: ofParts(tasks) };
    }
    case 'chord':
      return { ...signature, kwargs: { ...signature.kwargs, body: endingAs(bodyOf(signature), id) } };
    case 'group':
      throw new WorkflowError(
        'a group that Python has frozen ends many times, so it cannot replace a task: put it into a chord, or do not freeze it',
      );
    default:
      return withId(signature, id);
  }
}

/** A compound gets the id of the part that it ends with. */
function named(compound: WireSignature): WireSignature {
  const { task_id: _, ...options } = compound.options;
  return withId({ ...compound, options }, resultId(compound));
}

function withId(signature: WireSignature, id: unknown): WireSignature {
  return id === null || signature.options.task_id === id
    ? signature
    : withOptions(signature, { task_id: id });
}
