// How a run can end, and the four errors that a task can throw to steer it.

import type { RetryOptions } from '../../config/retry-options.ts';
import type { WireSignature } from '../../protocol/message.ts';

/** How a task's code ended. A worker knows further ends: `worker/outcome.ts`. */
export type Outcome =
  | { readonly kind: 'success'; readonly value: unknown }
  | { readonly kind: 'failure'; readonly error: Error; readonly expected: boolean }
  | { readonly kind: 'retry'; readonly retry: Retry }
  | { readonly kind: 'ignored' }
  /** Another workflow takes the task's place. */
  | { readonly kind: 'replaced'; readonly signature: WireSignature }
  | { readonly kind: 'rejected'; readonly requeue: boolean; readonly reason: string };

/** Thrown to run the task again later. Made by `task.retry(error, options)`; not a failure. */
export class Retry extends Error {
  override readonly name = 'Retry';
  /** When to run again. */
  readonly at: Date;
  /** What the next run changes: its arguments, queue, limits. */
  readonly options: RetryOptions;

  constructor(at: Date, options: RetryOptions, cause: unknown) {
    super(cause instanceof Error ? cause.message : 'retry', { cause });
    this.at = at;
    this.options = options;
  }
}

/** Thrown to run another workflow in place of the task. Made by `task.replace(signature)`; not a failure. */
export class Replaced extends Error {
  override readonly name = 'Replaced';
  readonly signature: WireSignature;

  constructor(signature: WireSignature) {
    super(`replaced by ${signature.task}`);
    this.signature = signature;
  }
}

/** Thrown to end the task without storing a result: its state stays as it is. */
export class Ignore extends Error {
  override readonly name = 'Ignore';
}

/** Thrown to refuse the message: it becomes a dead letter, or, with `requeue`, goes back to its queue. */
export class Reject extends Error {
  override readonly name = 'Reject';
  /** Whether the message goes back to its queue; else it becomes a dead letter. */
  readonly requeue: boolean;

  constructor(reason = 'rejected by the task', options: { readonly requeue?: boolean } = {}) {
    super(reason);
    this.requeue = options.requeue ?? false;
  }
}
