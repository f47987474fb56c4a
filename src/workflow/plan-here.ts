// Plans a workflow that is started in this process.

import type { CallOptions } from '../config/call-options.ts';
import type { WireSignature } from '../protocol/message.ts';
import { taskScope } from '../results/task-scope.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Publication } from '../stores/transport.ts';
import { randomIds } from './freeze.ts';
import { plan } from './plan.ts';
import type { Plan, PlanContext } from './planned.ts';

/** The options of starting a workflow. */
export interface LocalStart
  extends Pick<
    PlanContext,
    'args' | 'kwargs' | 'id' | 'groupId' | 'groupIndex' | 'chord' | 'asOne' | 'stamps' | 'inlineBytes'
  > {
  /** Default: random. */
  readonly newId?: PlanContext['newId'];
  /** For members that are sent one at a time. Default: the root of the running task, else the id of the first call. */
  readonly rootId?: string | null;
  readonly sending?: Pick<CallOptions, 'signal' | 'retry' | 'retryPolicy' | 'publishTimeout' | 'addToParent'>;
  /** Changes the publications just before they are sent. */
  readonly guard?: (publications: readonly Publication[]) => readonly Publication[];
}

/** Plans a first start: inside of a task its calls belong to the task's workflow. */
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

/** False: results travel as messages, and nothing can be stored. */
export function keepsRecords(app: SendingApp): boolean {
  const { backend } = app.config;
  return backend !== null && storeNamed(backend)?.resultsAreMessages !== true;
}
