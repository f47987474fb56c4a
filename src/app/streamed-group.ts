// A group whose members are sent while they are produced, as fast as the broker takes them. Its length is not known beforehand.

import { type CallOptions, noOptions } from '../config/call-options.ts';
import type { ChordPolicy } from '../protocol/workflow-wire.ts';
import type { AsyncResult, GroupResult } from '../results/async-result.ts';
import { applyWorkflow } from './running/apply.ts';
import type { AnySignature, Signature } from './signature.ts';

/** An iterable of members. */
export type SignatureSource<In extends readonly unknown[], Out> =
  | Iterable<Signature<In, Out>>
  | AsyncIterable<Signature<In, Out>>;

/** Can be sent, and be the header of a chord, but no part of other workflows: it never exists as a whole. */
export class StreamedGroup<in In extends readonly unknown[], out Out> {
  /** Its members, iterated once. */
  readonly members: SignatureSource<In, Out>;

  constructor(members: SignatureSource<In, Out>) {
    this.members = members;
  }

  /** Sends it; resolves when the broker holds the last member. */
  delay(...args: In): Promise<GroupResult<Out[]>> {
    return this.applyAsync(args);
  }

  /**
   * @param options for each of its members
   * @throws PartlySentError when a publication fails, or the iterable throws, after some members were sent.
   */
  async applyAsync(args: In, options: CallOptions = noOptions): Promise<GroupResult<Out[]>> {
    const { sendStreamed } = await import('../workflow/send-streamed.ts');
    const { header } = await sendStreamed(this.members, null, args, options, applyWorkflow);
    return header as GroupResult<Out[]>; // the one promise that the types make for the wire
  }
}

/** A chord whose header is a {@link StreamedGroup}. */
export class StreamedChord<in In extends readonly unknown[], out Out> {
  readonly #header: StreamedGroup<In, unknown>;
  readonly #body: AnySignature;
  readonly #policy: ChordPolicy | null;

  constructor(header: StreamedGroup<In, unknown>, body: AnySignature, policy: ChordPolicy | null) {
    this.#header = header;
    this.#body = body;
    this.#policy = policy;
  }

  /**
   * Sends the members as the generator makes them; the body runs after all of them.
   * @throws as {@link StreamedGroup.applyAsync}: then the body will not run.
   */
  delay(...args: In): Promise<AsyncResult<Out>> {
    return this.applyAsync(args);
  }

  /**
   * @param options for each member and for the body, except `countdown` and `eta`; `taskId` is the id of the body
   * @throws as {@link StreamedGroup.applyAsync}: then the body will not run.
   */
  async applyAsync(args: In, options: CallOptions = noOptions): Promise<AsyncResult<Out>> {
    const body = { signature: this.#body, policy: this.#policy };
    const { sendStreamed } = await import('../workflow/send-streamed.ts');
    const { result } = await sendStreamed(this.#header.members, body, args, options, applyWorkflow);
    return result as AsyncResult<Out>; // as above
  }
}
