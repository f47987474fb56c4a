// Calls that run in this process: `apply`, and all of them with `taskAlwaysEager`. What they need is loaded with the first: who only sends has no use for it.
import type { WireSignature } from '../../protocol/message.ts';
import type { AsyncResult } from '../../results/async-result.ts';
import type { Callee } from '../../sending/callee.ts';
import type { PreparedCall } from '../../sending/prepare.ts';
import type { LocalStart } from '../../workflow/plan-here.ts';
import type { App } from '../app.ts';
import type { AnyTask } from '../task.ts';

/** Runs a workflow. */
export async function applyWorkflow<R>(
  app: App,
  signature: WireSignature,
  start: LocalStart,
): Promise<AsyncResult<R>> {
  const eager = await import('./eager-workflow.ts');
  return eager.applyWorkflow(app, signature, start);
}

/** Runs a call that has been checked. */
export async function applyCall<R>(
  app: App,
  callee: Callee<AnyTask>,
  prepared: PreparedCall,
): Promise<AsyncResult<R>> {
  const eager = await import('./eager-workflow.ts');
  return eager.applyCall(app, callee, prepared);
}
