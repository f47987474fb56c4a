// The plan of a workflow that is started here.

import type { CallOptions } from '../config/call-options.ts';
import type { WireSignature } from '../protocol/message.ts';
import { taskScope } from '../results/task-scope.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Publication } from '../stores/transport.ts';
import { randomIds } from './freeze.ts';
import { plan } from './plan.ts';
import type { Plan, PlanContext } from './planned.ts';

/** What a start of a workflow is given besides the workflow itself. */
export interface LocalStart
  extends Pick<
    PlanContext,
    'args' | 'kwargs' | 'id' | 'groupId' | 'groupIndex' | 'chord' | 'asOne' | 'stamps' | 'inlineBytes'
  > {
  /** Default: random. */
  readonly newId?: PlanContext['newId'];
  /** Of what is sent piece by piece. Default: that of the running task, else the id of the first call. */
  readonly rootId?: string | null;
  readonly sending?: Pick<CallOptions, 'signal' | 'retry' | 'retryPolicy' | 'publishTimeout' | 'addToParent'>;
  /** Changes what goes to the broker, when all else is decided. */
  readonly guard?: (publications: readonly Publication[]) => readonly Publication[];
}

/** A plan of a first start: in a task its calls belong to the task's workflow. */
export function planHere(app: SendingApp, signature: WireSignature, start: LocalStart): Plan {
  const parent = taskScope.getStore()?.request;
  const { sending: _, guard: __, ...place } = start;
  return plan(signature, {
    ...place,
    rootId: start.rootId ?? parent?.rootId ?? null,
    parentId: parent?.id ?? null,
    newId: start.newId ?? randomIds,
    ...(!keepsRecords(app) && { inlineBytes: Number.POSITIVE_INFINITY }),
  });
}

/** Where results travel as messages, nothing can be stored for later. */
export function keepsRecords(app: SendingApp): boolean {
  const { backend } = app.config;
  return backend !== null && storeNamed(backend)?.resultsAreMessages !== true;
}
