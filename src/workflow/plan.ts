// Plans the messages that start a workflow. Pure: the same workflow and ids give the same messages.
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import { chainOf, kindOf, withListed, withOptions } from './construct.ts';
import { derivedIds, endingAs, freeze, handleOf } from './freeze.ts';
import { mapTasks } from './map-tasks.ts';
import { normalize } from './normal-form.ts';
import type { Plan, PlanContext } from './planned.ts';
import { Planner } from './planner.ts';
import { withStampsOf } from './stamp.ts';

/**
 * Plans a workflow: a signature as the user made it, or as it came in a message (frozen by us or by Python, or not frozen).
 * A plan is for one start: the worker plans what it sends later from the messages.
 *
 * In a worker: `plan(step, { args: [result], chain: rest, rootId, parentId: id, newId: derivedIds(id, 'chain') })` for the next
 * step of a chain; place `link.0`, `link.1` … for callbacks, `error.0` … for errbacks, `body` (with the chord's group id instead of
 * the member's id) for the body of a chord, and {@link replacement} for `task.replace`. References are resolved first
 * (`by-reference.ts`).
 * @throws WorkflowError when it is malformed.
 */
export function plan(signature: WireSignature, context: PlanContext): Plan {
  const whole = placed(signature, context);
  const planner = new Planner(context);
  planner.start(planner.payloads.folded(whole), kindOf(signature) === 'task' ? (context.chain ?? []) : []);
  const { calls, chords, payloads } = planner;
  return { calls, chords, stored: payloads.stored, handle: handleOf(whole) };
}

/** The context of a workflow that replaces the running task. */
export function replacement(message: TaskMessage): PlanContext {
  const { id, rootId, parentId, group, groupIndex, embed, stamps } = message;
  const nesting = message.replacedTaskNesting + 1;
  return {
    ...embed,
    id,
    rootId,
    parentId,
    groupId: group,
    groupIndex,
    stamps,
    asOne: true,
    replacedTaskNesting: nesting,
    newId: derivedIds(id, `replace.${nesting}`), // the replacement has this id, too, and may be replaced again
  };
}

/** The last task of a replacement has the id of the task that it replaces, and may be replaced again: it carries the count. */
function marked(whole: WireSignature, { replacedTaskNesting, id }: PlanContext): WireSignature {
  if (replacedTaskNesting === undefined) return whole;
  return mapTasks(whole, (task) =>
    task.options.task_id === id ? withOptions(task, { replaced_task_nesting: replacedTaskNesting }) : task,
  );
}

/** A replacement ends with the id of the task that it replaces, also if it was frozen: others wait for this id. */
function identified(normal: WireSignature, { replacedTaskNesting, id }: PlanContext): WireSignature {
  return replacedTaskNesting === undefined || id === undefined ? normal : endingAs(normal, id);
}

/** The workflow in normal form and with ids, and with the follow-ups that it gets from its context. */
function placed(signature: WireSignature, context: PlanContext): WireSignature {
  const { id = null, chain, newId, stamps = {} } = context;
  const normal = withStampsOf(normalize(signature, context.asOne === true), stamps);
  const linked = withListed(
    withListed(normal, 'link', context.callbacks ?? []),
    'link_error',
    context.errbacks ?? [],
  );
  const frozen = marked(freeze(identified(normalize(linked), context), id, newId), context);
  if (!chain?.length || kindOf(signature) === 'task') return frozen;
  return freeze(normalize(chainOf([frozen, ...[...chain].reverse()])), null, newId, 'then');
}
