// From planned calls to publications. Used where a workflow is started, and by a worker for what follows a task.

import { fromWireOptions, stampsOf } from '../config/wire-options.ts';
import { announced } from '../sending/announce.ts';
import {
  addressedCall,
  type EncodedCall,
  encodeCall,
  noKwargs,
  type PreparedCall,
  prepareCall,
  publicationsOf,
} from '../sending/sender.ts';
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
  const addressed = app.signals.beforeTaskPublish.connected
    ? calls.map(async (call) =>
        addressedAs(app, await announced(app, preparePlanned(app, call, parentPriority))),
      )
    : calls.map((call) => addressedAs(app, preparePlanned(app, call, parentPriority)));
  const publish = (ready: readonly EncodedCall[]): readonly Publication[] =>
    ready.flatMap((call) => publicationsOf(app, call));
  const ready = addressed.filter((call): call is EncodedCall => !(call instanceof Promise));
  if (ready.length === addressed.length) return publish(ready);
  return Promise.all(addressed).then(publish);
}

function addressedAs(app: SendingApp, prepared: PreparedCall): EncodedCall | Promise<EncodedCall> {
  return addressedCall(app, { prepared, wire: encodeCall(app, prepared.message, prepared.encoding) });
}
