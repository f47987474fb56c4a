// Makes publications of planned calls, where a workflow is started, and in a worker for the follow-ups of a task.

import { fromWireOptions, stampsOf } from '../config/wire-options.ts';
import { noKwargs } from '../sending/arguments.ts';
import { calleeNamed, checkArguments } from '../sending/callee.ts';
import { type PreparedCall, prepareCall } from '../sending/prepare.ts';
import { readyCalls } from '../sending/send.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import type { Publication } from '../stores/transport.ts';
import type { Plan, PlannedCall } from './planned.ts';

/**
 * Resolves everything about a planned call: first the signature's options, then routes, then the task's own options, then the
 * configuration.
 * @throws ConfigError for options with impossible values
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
 * The publications of a plan's calls, for a worker's settlement. The stores must be open. A promise only where results travel as messages, or
 * beforeTaskPublish has receivers.
 * @param parentPriority the priority of the task before them
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

/** Checks all calls of a plan, and resolves everything about them. */
export async function preparedCalls(app: SendingApp, { calls }: Plan): Promise<readonly PreparedCall[]> {
  const prepared: PreparedCall[] = [];
  for (const call of calls) {
    const checked = checkArguments(calleeNamed(app, call.task), call);
    if (checked !== undefined) await checked;
    prepared.push(preparePlanned(app, call));
  }
  return prepared;
}
