// From planned calls to publications. Used where a workflow is started, and by a worker for what follows a task.

import { fromWireOptions, stampsOf } from '../config/wire-options.ts';
import { noKwargs } from '../sending/arguments.ts';
import { calleeNamed, checkArguments } from '../sending/callee.ts';
import { type PreparedCall, prepareCall } from '../sending/prepare.ts';
import { readyCalls } from '../sending/send.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import type { Publication } from '../stores/transport.ts';
import type { Plan, PlannedCall } from './planned.ts';

/**
 * Everything about a planned call decided: what the signature says, then routes, then the task's own options, then the
 * configuration.
 * @throws ConfigError for options that cannot be meant.
 */
export function preparePlanned(
  app: SendingApp,
  call: PlannedCall,
  parentPriority?: number | null,
): PreparedCall {
  const { id, task, args, kwargs, embed, groupId, groupIndex, rootId, parentId, replacedTaskNesting } = call;
  const options = { ...fromWireOptions(task, call.options), taskId: id };
  const prepared = prepareCall(
    app,
    task,
    args,
    Object.keys(kwargs).length === 0 ? noKwargs : kwargs,
    options,
    app.tasks.get(task)?.options ?? app.defaults,
    parentPriority,
  );
  return {
    ...prepared,
    message: {
      ...prepared.message,
      ...stampsOf(call.options),
      embed,
      group: groupId,
      groupIndex,
      rootId,
      parentId,
      replacedTaskNesting,
    },
  };
}

/**
 * The publications of a plan's calls, for a worker to make with a settlement. The stores must be open. A promise only where the
 * results travel as messages, or somebody listens to beforeTaskPublish.
 * @param parentPriority of the message of the task that they follow
 * @throws NotSerializableError, PayloadTooLargeError, ConfigError, UnroutableError
 */
export function publicationsOfPlan(
  app: SendingApp,
  { calls }: Plan,
  parentPriority: number | null,
): readonly Publication[] | Promise<readonly Publication[]> {
  const prepared = calls.map((call) => preparePlanned(app, call, parentPriority));
  const ready = readyCalls(app, prepared, { rules: null });
  return ready instanceof Promise ? ready.then(({ publications }) => publications) : ready.publications;
}

/** Checks all calls of a plan, and decides everything about them. */
export async function preparedCalls(app: SendingApp, { calls }: Plan): Promise<readonly PreparedCall[]> {
  const prepared: PreparedCall[] = [];
  for (const call of calls) {
    const checked = checkArguments(calleeNamed(app, call.task), call);
    if (checked !== undefined) await checked;
    prepared.push(preparePlanned(app, call));
  }
  return prepared;
}
