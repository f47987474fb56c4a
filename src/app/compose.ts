// Composing workflows: chain, group, chord, and map, starmap and chunks, which call one task with each item of a list.

import { WorkflowError } from '../errors.ts';
import type { WireSignature } from '../protocol/message.ts';
import type { Settled } from '../protocol/workflow-wire.ts';
import type { AsyncResult } from '../results/async-result.ts';
import { commonApp } from '../workflow/common-app.ts';
import {
  chainOf,
  chordOf,
  chunksOf,
  groupOf,
  mapOf,
  starmapOf,
  taskSignature,
} from '../workflow/construct.ts';
import { type AnySignature, type Group, groupFrom, type Signature, signatureOf } from './signature.ts';
import { type SignatureSource, StreamedChord, StreamedGroup } from './streamed-group.ts';
import type { AnyTask } from './task.ts';

type Args = readonly unknown[];

/**
 * Runs the steps in sequence. Each step gets the result of the step before it as its first argument; the result of the last step is the
 * result of the chain. When a step fails, the chain fails with the same failure, and the steps after it do not run.
 * @example await chain(add.s(2, 4), add.s(10)).delay() // 16
 */
export function chain<In extends Args, A>(a: Signature<In, A>): Signature<In, A>;
export function chain<In extends Args, A, B>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
): Signature<In, B>;
export function chain<In extends Args, A, B, C>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
): Signature<In, C>;
export function chain<In extends Args, A, B, C, D>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
  d: Signature<[NoInfer<C>], D>,
): Signature<In, D>;
export function chain<In extends Args, A, B, C, D, E>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
  d: Signature<[NoInfer<C>], D>,
  e: Signature<[NoInfer<D>], E>,
): Signature<In, E>;
export function chain<In extends Args, A, B, C, D, E, F>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
  d: Signature<[NoInfer<C>], D>,
  e: Signature<[NoInfer<D>], E>,
  f: Signature<[NoInfer<E>], F>,
): Signature<In, F>;
export function chain<In extends Args, A, B, C, D, E, F, G>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
  d: Signature<[NoInfer<C>], D>,
  e: Signature<[NoInfer<D>], E>,
  f: Signature<[NoInfer<E>], F>,
  g: Signature<[NoInfer<F>], G>,
): Signature<In, G>;
export function chain<In extends Args, A, B, C, D, E, F, G, H>(
  a: Signature<In, A>,
  b: Signature<[NoInfer<A>], B>,
  c: Signature<[NoInfer<B>], C>,
  d: Signature<[NoInfer<C>], D>,
  e: Signature<[NoInfer<D>], E>,
  f: Signature<[NoInfer<E>], F>,
  g: Signature<[NoInfer<F>], G>,
  h: Signature<[NoInfer<G>], H>,
): Signature<In, H>;
/** For a list whose length the compiler does not know: declare the types, `chain<[number], string>(steps)`. */
export function chain<In extends Args = [], Out = unknown>(
  steps: readonly AnySignature[],
): Signature<In, Out>;
export function chain(
  ...given: readonly AnySignature[] | readonly [readonly AnySignature[]]
): Signature<never, unknown> {
  const steps = listOf(given);
  if (steps.length === 0) throw new WorkflowError('a chain needs at least one step');
  const [only] = steps;
  return steps.length === 1 && only !== undefined
    ? only
    : signatureOf(commonApp(steps), chainOf(steps.map((step) => step.toJSON())));
}

/** The arguments that all members of a group wait for. */
type InOf<S extends readonly AnySignature[]> = S[number] extends Signature<infer In, unknown> ? In : never;

/** The result of each member, in its place. */
type OutOf<S extends readonly AnySignature[]> = {
  -readonly [Index in keyof S]: S[Index] extends Signature<never, infer Out> ? Out : never;
};

/**
 * Runs all members in parallel. Its result is the list of their results, in the order of the members. Arguments of the group are given to
 * each member. A list makes a {@link Group}, which can be part of any workflow. Any other iterable, also an asynchronous one, is sent while
 * it produces its members, as fast as the broker takes them.
 * @example const [sum, size] = await (await group([add.s(1, 2), pageSize.s(url)]).delay()).get();
 */
export function group<const S extends readonly AnySignature[]>(members: S): Group<InOf<S>, OutOf<S>>;
export function group<In extends Args, Out>(
  members: Iterable<Signature<In, Out>> | AsyncIterable<Signature<In, Out>>,
): StreamedGroup<In, Out>;
export function group(
  members: readonly AnySignature[] | SignatureSource<never, unknown>,
): Group<never, unknown> | StreamedGroup<never, unknown> {
  if (!isWalkable(members))
    throw new WorkflowError('a group takes one list of its members: group([add.s(1, 2), add.s(3, 4)])');
  if (!Array.isArray(members)) return new StreamedGroup(members as SignatureSource<never, unknown>); // it is no list
  return groupFrom(commonApp(members), groupOf(members.map((member: AnySignature) => member.toJSON())));
}

/** What a chord does when a member of its header fails: set one of the two. By default, as in Celery, its body fails when all have ended. */
export interface ChordOptions {
  /**
   * The body fails as soon as one member fails, without waiting for the others. The failure of a member that ran in a Python worker is
   * noticed only when all members have ended.
   */
  readonly failFast?: boolean;
  /** The body runs in any case. It gets a list of `Settled`, one for each member, as from `Promise.allSettled`. */
  readonly allSettled?: boolean;
}

/** A group, a list of its members, or a stream of them. */
type Header = AnySignature | readonly AnySignature[] | StreamedGroup<never, unknown>;

/** The list of the results of a header. */
type ResultsOf<H extends Header> =
  H extends StreamedGroup<never, infer Out>
    ? Out[]
    : H extends readonly AnySignature[]
      ? OutOf<H>
      : H extends Signature<never, infer Out>
        ? Out
        : never;

/** The argument of a chord's body. */
type GivenBy<H extends Header, Options extends ChordOptions> = Options extends { readonly allSettled: true }
  ? SettledOf<ResultsOf<H>>
  : ResultsOf<H>;

/** A `Settled` for each member. */
export type SettledOf<Results> = {
  -readonly [Index in keyof Results]: Settled<Results[Index]>;
};

type ChordOf<H extends Header, Out> =
  H extends StreamedGroup<infer In, unknown>
    ? StreamedChord<In, Out>
    : H extends readonly AnySignature[]
      ? Signature<InOf<H>, Out>
      : H extends Signature<infer In, unknown>
        ? Signature<In, Out>
        : never;

/**
 * A group and then its body, which gets the list of the group's results. When a member fails, the body fails with a ChordError.
 * @example await chord(group(urls.map((url) => pageSize.s(url))), total.s()).delay()
 */
export function chord<const H extends Header, Out, const Options extends ChordOptions = ChordOptions>(
  header: H,
  body: Signature<[GivenBy<H, Options>], Out>,
  options?: Options,
): ChordOf<H, Out>;
export function chord(
  header: Header,
  body: AnySignature,
  options: ChordOptions = {},
): Signature<never, unknown> | StreamedChord<never, unknown> {
  if (options.allSettled && options.failFast)
    throw new WorkflowError('a chord either fails fast, or waits until all are settled: give one of the two');
  const policy = options.allSettled ? 'all-settled' : options.failFast ? 'fail-fast' : null;
  if (header instanceof StreamedGroup) return new StreamedChord(header, body, policy);
  const whole = Array.isArray(header) ? group(header as readonly AnySignature[]) : (header as AnySignature); // it is one of the two
  return signatureOf(
    commonApp([whole, body]),
    chordOf(whole.toJSON(), body.toJSON(), {}, policy ?? undefined),
  );
}

/** A task with positional arguments. */
interface Mappable<In extends Args, Out> extends AnyTask {
  delay(...args: In): Promise<AsyncResult<Out>>;
}

/** Calls the task with each item, in sequence, within one task; the result is the list of its results. Celery's `map`. */
export function map<Item, Out>(
  task: Mappable<[item: Item], Out>,
  items: readonly Item[],
): Signature<Args, Out[]> {
  return signatureOf(task.app, mapOf(eachCall(task), [...items]));
}

/** {@link map} with items that are lists of arguments. Celery's `starmap`. */
export function starmap<In extends Args, Out>(
  task: Mappable<In, Out>,
  items: readonly NoInfer<In>[],
): Signature<Args, Out[]> {
  return signatureOf(task.app, starmapOf(eachCall(task), [...items]));
}

/** {@link starmap} in chunks of `size`, in parallel: for many short calls. The result is a list for each chunk. Celery's `chunks`. */
export function chunks<In extends Args, Out>(
  task: Mappable<In, Out>,
  items: readonly NoInfer<In>[],
  size: number,
): Group<Args, Out[][]> {
  if (!Number.isInteger(size) || size < 1)
    throw new WorkflowError(`the size of a chunk must be a whole number from 1, not ${size}`);
  return groupFrom(task.app, chunksOf(eachCall(task), [...items], size));
}

function eachCall({ name, options }: AnyTask): WireSignature {
  if (options.input === null) return taskSignature(name);
  throw new WorkflowError(
    `'${name}' takes one object, and map, starmap and chunks call with positional arguments: make a group of its calls`,
  );
}

function listOf(given: readonly unknown[]): readonly AnySignature[] {
  const [first] = given;
  return (Array.isArray(first) ? first : given) as readonly AnySignature[]; // as the overloads declare
}

/** Python takes members as separate arguments, too, and users of Celery write them so. */
function isWalkable(members: unknown): boolean {
  if (typeof members !== 'object' || members === null) return false;
  return Symbol.iterator in members || Symbol.asyncIterator in members;
}
