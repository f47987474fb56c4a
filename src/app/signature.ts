// A call, or a whole workflow, as a value: to be sent later, put into other workflows, or kept as JSON.

import { type CallOptions, noOptions } from '../config/call-options.ts';
import { checkNamed } from '../config/priority.ts';
import { type SignatureOptions, sendingOptionsOf, toWireOptions } from '../config/wire-options.ts';
import { ConfigError, WorkflowError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import type { WireException } from '../protocol/result-meta.ts';
import type { AsyncResult, GroupResult } from '../results/async-result.ts';
import { commonApp } from '../workflow/common-app.ts';
import {
  chainOf,
  kindOf,
  listedIn,
  partsOf,
  taskSignature,
  withListed,
  withOptions,
} from '../workflow/construct.ts';
import type { FailedRequest } from '../workflow/failed-request.ts';
import { freeze, handleOf, randomIds } from '../workflow/freeze.ts';
import { normalize } from '../workflow/normal-form.ts';
import { resultIn, resultOf } from '../workflow/result-of.ts';
import { sendWorkflow } from '../workflow/send-workflow.ts';
import { type StampingVisitor, type Stamps, stamped } from '../workflow/stamp.ts';
import type { App } from './app.ts';
import { applyWorkflow } from './running/apply.ts';

/**
 * A call that still lacks its leading arguments `In`, and whose result is `Out`. It is immutable: every method returns a new signature.
 * A signature that ignores the result before it (`task.si(…)`) takes any arguments: its `In` is `readonly unknown[]`.
 */
export interface Signature<in In extends readonly unknown[] = [], out Out = unknown> {
  /** The task's name; `celery.chain`, `celery.group`, `celery.chord` for the constructs. */
  readonly task: string;
  /** The application of its tasks; null for an empty group. */
  readonly app: App | null;
  /**
   * Sends it with the arguments that are missing; resolves when the broker holds its first messages.
   * @throws what `task.delay` throws: then nothing was sent. PartlySentError, WorkflowError.
   */
  delay(...args: In): Promise<AsyncResult<Out>>;
  /** Like `delay`, with options for all of its parts. `countdown` and `eta` apply to its first tasks; `taskId` is the id of its result. */
  applyAsync(args: In, options?: CallOptions): Promise<AsyncResult<Out>>;
  /** Runs it in this process, with the same order, results and failures as in workers. */
  apply(args: In, options?: CallOptions): Promise<AsyncResult<Out>>;
  /** With these options, which replace its own. A compound passes them on to those of its parts that do not set them. */
  set(options: SignatureOptions): Signature<In, Out>;
  /** Adds a callback, which is sent with its result when it has succeeded. Celery's `link`. */
  link<Next>(callback: Signature<[Out], Next>): Signature<In, Out>;
  /**
   * Adds an errback, which is sent with the id of the failed task: for a chain, of the step that failed; for a group, of each member that
   * failed; for a chord, when its body cannot run or fails. An errback that takes three more arguments than its signature has is called as
   * a function instead, with the request, the error and the traceback, by the worker that ran the failed task, if that worker knows it.
   * Celery's `link_error`.
   */
  linkError(errback: Errback): Signature<In, Out>;
  /** This, then that: `chain(this, next)`. Python's `|`. */
  pipe<Next>(next: Signature<[Out], Next>): Signature<In, Next>;
  /** With more arguments before its own, as sending it with them would. */
  clone<Given extends readonly unknown[]>(...args: Given): Signature<Rest<In, Given>, Out>;
  /** With fixed ids: sent again, it has the same ids, and the broker takes it as sent once (see `PartlySentError`). */
  freeze(id?: string): Frozen<In, Out>;
  /** With stamps: headers that travel with each of its tasks, callbacks included. Celery's stamping. */
  stamp(stamps: Stamps | StampingVisitor): Signature<In, Out>;
  /** Celery's dict form: `app.signatureFrom(json)` reads it, and so does Python's `signature()`. */
  toJSON(): WireSignature;
}

/** A signature that can be called when a task has failed. */
export type Errback =
  | Signature<[taskId: string], unknown>
  | Signature<[request: FailedRequest, error: WireException, traceback: string | null], unknown>;

/** A signature with fixed ids, and the result that it will have. */
export interface Frozen<in In extends readonly unknown[], out Out> extends Signature<In, Out> {
  /** The result that it will have, before it is sent. */
  readonly result: AsyncResult<Out>;
}

/** A group: its result is the list of its members' results. */
export interface Group<in In extends readonly unknown[] = [], out Out = readonly unknown[]>
  extends Signature<In, Out> {
  /** Sends the members; resolves when the broker has all of them. */
  delay(...args: In): Promise<GroupResult<Out>>;
  /**
   * As `delay`, with options for every member.
   * @example await group(tasks).applyAsync([], { queue: 'slow' });
   */
  applyAsync(args: In, options?: CallOptions): Promise<GroupResult<Out>>;
  /** Runs the members in this process, without a broker. */
  apply(args: In, options?: CallOptions): Promise<GroupResult<Out>>;
  set(options: SignatureOptions): Group<In, Out>;
  /** How many members it has. */
  readonly length: number;
}

/** Any signature, whatever its arguments and result. */
export type AnySignature = Signature<never, unknown>;

/** True also for a signature of another copy of this package. Its types are what the caller declares: they cannot be checked. */
export function isSignature<In extends readonly unknown[] = readonly unknown[]>(
  value: unknown,
): value is Signature<In, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { task, freeze: freezing, toJSON } = value as Partial<AnySignature>; // checked next
  return typeof task === 'string' && typeof freezing === 'function' && typeof toJSON === 'function';
}

/** The rest of `In` when its first arguments are given. */
type Rest<In extends readonly unknown[], Given extends readonly unknown[]> = In extends readonly [
  ...Given,
  ...infer Left,
]
  ? Left
  : In extends readonly unknown[]
    ? number extends In['length']
      ? In
      : never
    : never;

/** A signature of Celery's dict form. `In` and `Out` are what the caller declares. */
export function signatureOf<In extends readonly unknown[], Out>(
  app: App | null,
  wire: WireSignature,
): Signature<In, Out> {
  return new WireValue(app, wire) as unknown as Signature<In, Out>; // the wire has no types
}

export function groupFrom<In extends readonly unknown[], Out>(
  app: App | null,
  wire: WireSignature,
): Group<In, Out> {
  return new WireValue(app, wire) as unknown as Group<In, Out>; // as above
}

/** Makes the signature of a task's call. */
export function callSignature(
  app: App,
  name: string,
  call: { readonly args: readonly unknown[]; readonly kwargs: Json },
  options: Json,
  immutable: boolean,
): Signature<readonly unknown[], unknown> {
  return signatureOf(app, taskSignature(name, [...call.args], call.kwargs, options, immutable));
}

/** A signature without its types. */
class WireValue {
  readonly app: App | null;
  readonly #wire: WireSignature;

  constructor(app: App | null, wire: WireSignature) {
    this.app = app;
    this.#wire = wire;
  }

  get task(): string {
    return this.#wire.task;
  }

  get length(): number {
    return kindOf(this.#wire) === 'group' ? partsOf(this.#wire).length : 1;
  }

  /** The result of a frozen signature. */
  get result(): AsyncResult {
    return this.app === null ? nothingToRun(this.#wire) : resultOf(this.app, handleOf(this.#wire));
  }

  delay(...args: readonly unknown[]): Promise<AsyncResult> {
    return this.applyAsync(args);
  }

  async applyAsync(args: readonly unknown[] = [], options: CallOptions = noOptions): Promise<AsyncResult> {
    const [wire, start] = this.#start(args, options);
    const { app } = this;
    if (app === null) return nothingToRun(wire);
    if (app.config.taskAlwaysEager) return applyWorkflow(app, wire, start);
    return sendWorkflow(app, wire, { ...start, sending: sendingOptionsOf(options) });
  }

  async apply(args: readonly unknown[] = [], options: CallOptions = noOptions): Promise<AsyncResult> {
    const [wire, start] = this.#start(args, options);
    return this.app === null ? nothingToRun(wire) : applyWorkflow(this.app, wire, start);
  }

  set(options: SignatureOptions): WireValue {
    return this.#with(withOptions(this.#wire, this.#wireOptions(options)));
  }

  link(callback: AnySignature): WireValue {
    if (kindOf(this.#wire) === 'group')
      throw new WorkflowError('a group ends many times, so nothing can be linked to it: make it a chord');
    return this.#with(withListed(this.#wire, 'link', [callback.toJSON()]), callback);
  }

  linkError(errback: AnySignature): WireValue {
    const more = errback.toJSON();
    // A second copy of an errback would be called twice for one failure.
    const known = listedIn(this.#wire.options, 'link_error').some(
      (each) => JSON.stringify(each) === JSON.stringify(more),
    );
    return known ? this : this.#with(withListed(this.#wire, 'link_error', [more]), errback);
  }

  pipe(next: AnySignature): WireValue {
    return this.#with(chainOf([this.#wire, next.toJSON()]), next);
  }

  clone(...args: readonly unknown[]): WireValue {
    if (this.#wire.immutable) return this;
    return this.#with({ ...this.#wire, args: [...args, ...this.#wire.args] });
  }

  freeze(id?: string): WireValue {
    const frozen = freeze(normalize(this.#wire), id ?? null, randomIds);
    return new WireValue(this.app, frozen);
  }

  stamp(stamps: Stamps | StampingVisitor): WireValue {
    return this.#with(stamped(this.#wire, stamps));
  }

  toJSON(): WireSignature {
    return this.#wire;
  }

  #with(wire: WireSignature, other?: { readonly app: App | null }): WireValue {
    return new WireValue(other === undefined ? this.app : commonApp([this, other]), wire);
  }

  #start(
    args: readonly unknown[],
    options: CallOptions,
  ): [WireSignature, { args: readonly unknown[]; id?: string }] {
    if (!Array.isArray(args))
      throw new ConfigError(`the arguments of '${this.task}' are given as a list: applyAsync([2, 3])`);
    const { task_id: id, ...own } = this.#wireOptions(options);
    return [
      options === noOptions ? this.#wire : withOptions(this.#wire, own),
      { args, ...(typeof id === 'string' && { id }) },
    ];
  }

  #wireOptions(options: CallOptions): Json {
    const wire = toWireOptions(this.task, options);
    checkNamed(
      options.priority ?? null,
      this.app?.config.taskDefaultPriority ?? null,
      `'priority' of '${this.task}'`,
    );
    return wire;
  }
}

/** The result of an empty group, which belongs to no application: there is nothing to wait for. */
function nothingToRun(wire: WireSignature): AsyncResult {
  return resultIn(handleOf(freeze(normalize(wire), null, randomIds)), null);
}
