// A call, or a whole workflow, as a value: to be sent later, to be put into other workflows, to be kept as JSON.

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
import { applyWorkflow } from './running/eager-workflow.ts';

/**
 * A call waiting for its missing leading arguments `In`, that will give `Out`. A value: every method gives a new one.
 * One that ignores what comes before it (`task.si(…)`) takes any arguments: its `In` is `readonly unknown[]`.
 */
export interface Signature<in In extends readonly unknown[] = [], out Out = unknown> {
  /** The task's name; `celery.chain`, `celery.group`, `celery.chord` for the constructs. */
  readonly task: string;
  /** Where its tasks are from; null for an empty group. */
  readonly app: App | null;
  /**
   * Sends it, with the arguments that are still missing; resolves when the broker holds what starts it.
   * @throws what `task.delay` throws: then nothing was sent. PartlySentError, WorkflowError.
   */
  delay(...args: In): Promise<AsyncResult<Out>>;
  /** Like `delay`, with options for all of its parts. `countdown` and `eta` are of what starts it; `taskId` is its result's. */
  applyAsync(args: In, options?: CallOptions): Promise<AsyncResult<Out>>;
  /** Runs it here and now, as workers would: the same order, results and failures. */
  apply(args: In, options?: CallOptions): Promise<AsyncResult<Out>>;
  /** With options, which go before those it has; of a compound they are of its parts that do not say otherwise. */
  set(options: SignatureOptions): Signature<In, Out>;
  /** What is sent with its value when it has succeeded. Celery's `link`. */
  link<Next>(callback: Signature<[Out], Next>): Signature<In, Out>;
  /**
   * What is sent with the failed task's id when it has failed: for a chain, whichever step; for a group, each member that fails; for
   * a chord, when its body cannot run or fails. A task that takes three arguments more than its signature has is called like a
   * function with the request, the error and the traceback instead, by the worker that runs the failed task, if it knows it. Celery's
   * `link_error`.
   */
  linkError(errback: Errback): Signature<In, Out>;
  /** This, then that: `chain(this, next)`. Python's `|`. */
  pipe<Next>(next: Signature<[Out], Next>): Signature<In, Next>;
  /** With more arguments before its own, as sending it would add them. */
  clone<Given extends readonly unknown[]>(...args: Given): Signature<Rest<In, Given>, Out>;
  /** With the ids that it will have: send it as often as you like, the broker takes it as sent once (see `PartlySentError`). */
  freeze(id?: string): Frozen<In, Out>;
  /** With stamps: headers that travel with each of its tasks, callbacks included. Celery's stamping. */
  stamp(stamps: Stamps | StampingVisitor): Signature<In, Out>;
  /** Celery's dict form: `app.signatureFrom(json)` reads it, and so does Python's `signature()`. */
  toJSON(): WireSignature;
}

/** What can be called when a task has failed. */
export type Errback =
  | Signature<[taskId: string], unknown>
  | Signature<[request: FailedRequest, error: WireException, traceback: string | null], unknown>;

/** A signature with ids, and the result that it will have. */
export interface Frozen<in In extends readonly unknown[], out Out> extends Signature<In, Out> {
  readonly result: AsyncResult<Out>;
}

/** A group: sent, it gives the results of its members. */
export interface Group<in In extends readonly unknown[] = [], out Out = readonly unknown[]>
  extends Signature<In, Out> {
  delay(...args: In): Promise<GroupResult<Out>>;
  applyAsync(args: In, options?: CallOptions): Promise<GroupResult<Out>>;
  apply(args: In, options?: CallOptions): Promise<GroupResult<Out>>;
  set(options: SignatureOptions): Group<In, Out>;
  /** How many members it has. */
  readonly length: number;
}

/** Any signature, whatever it waits for and gives. */
export type AnySignature = Signature<never, unknown>;

/** Also one of another copy of this package. What it waits for nobody can tell: the caller says that it fits. */
export function isSignature<In extends readonly unknown[] = readonly unknown[]>(
  value: unknown,
): value is Signature<In, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { task, freeze: freezing, toJSON } = value as Partial<AnySignature>; // what they are is asked next
  return typeof task === 'string' && typeof freezing === 'function' && typeof toJSON === 'function';
}

/** What is left of `In` when its first arguments are given. */
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

/** A signature of what is on the wire. `In` and `Out` are what the caller says they are. */
export function signatureOf<In extends readonly unknown[], Out>(
  app: App | null,
  wire: WireSignature,
): Signature<In, Out> {
  return new WireValue(app, wire) as unknown as Signature<In, Out>; // nothing on the wire could say it
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

/** A signature with its types forgotten. */
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

  /** Of a frozen one. */
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
    // The same one twice would run twice for one failure.
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

/** Of empty groups alone, which belong to no application: there is nothing to wait for. */
function nothingToRun(wire: WireSignature): AsyncResult {
  return resultIn(handleOf(freeze(normalize(wire), null, randomIds)), null);
}
