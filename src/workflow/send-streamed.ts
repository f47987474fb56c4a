// Sends a group or a chord whose members are produced while it is sent.

import type { CallOptions } from '../config/call-options.ts';
import { sendingOptionsOf, toWireOptions } from '../config/wire-options.ts';
import { PartlySentError, SendUnconfirmed, WorkflowError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import type { ChordPolicy } from '../protocol/workflow-wire.ts';
import { type AsyncResult, GroupResult } from '../results/async-result.ts';
import type { EncodedCall } from '../sending/encode.ts';
import { type PublishRules, rulesOf } from '../sending/publish.ts';
import { publishReady, readyCalls } from '../sending/send.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import type { Publication } from '../stores/transport.ts';
import { addressedParts } from './addressed-parts.ts';
import { type CarriedBody, carriedBody } from './chord-body.ts';
import { commonApp } from './common-app.ts';
import { chordOf, groupOf } from './construct.ts';
import { type Handle, randomIds } from './freeze.ts';
import { keepsRecords, type LocalStart, planHere } from './plan-here.ts';
import { preparedCalls } from './planned-calls.ts';
import { resultOf } from './result-of.ts';
import { noteChild, type StoreParts, sendWorkflow, storesBefore, windowSize } from './send-workflow.ts';

/** A member: a signature. */
export interface Part<App extends SendingApp> {
  readonly app: App | null;
  toJSON(): WireSignature;
}

/** Runs a workflow in this process. */
export type Apply<App> = (app: App, signature: WireSignature, start: LocalStart) => Promise<AsyncResult>;

interface StreamedBody<App extends SendingApp> {
  readonly signature: Part<App>;
  readonly policy: ChordPolicy | null;
}

interface Streamed {
  readonly header: AsyncResult;
  /** The body's result; without a body the group's. */
  readonly result: AsyncResult;
}

/**
 * @param apply used with `taskAlwaysEager`
 * @throws PartlySentError when it fails after some members were sent
 */
export async function sendStreamed<App extends SendingApp>(
  members: Iterable<Part<App>> | AsyncIterable<Part<App>>,
  body: StreamedBody<App> | null,
  args: readonly unknown[],
  options: CallOptions,
  apply: Apply<App>,
): Promise<Streamed> {
  const sending = new Streaming(body, args, options, apply);
  try {
    for await (const member of members) await sending.add(member);
    return await sending.end();
  } catch (error) {
    throw sending.failed(error);
  }
}

class Streaming<App extends SendingApp> {
  readonly #groupId: string = randomIds();
  readonly #body: StreamedBody<App> | null;
  readonly #args: readonly unknown[];
  readonly #options: CallOptions;
  readonly #wireOptions: Json;
  readonly #id: string | null;
  readonly #handles: Handle[] = [];
  readonly #sent: string[] = [];
  /** The root that all members share. */
  #rootId: string | null = null;
  readonly #apply: Apply<App>;
  #app: App | null;
  #carried: CarriedBody | null = null;
  #eager: WireSignature[] = [];
  #window = emptyWindow();

  constructor(
    body: StreamedBody<App> | null,
    args: readonly unknown[],
    options: CallOptions,
    apply: Apply<App>,
  ) {
    const { task_id: id, ...wireOptions } = toWireOptions('a streamed group', options);
    this.#app = body?.signature.app ?? null;
    this.#body = body;
    this.#args = args;
    this.#options = options;
    this.#apply = apply;
    this.#wireOptions = wireOptions;
    this.#id = typeof id === 'string' ? id : null;
    if (body === null && this.#id !== null) this.#groupId = this.#id;
  }

  /** Adds a member; resolves when there is room for the next. */
  async add(member: Part<App>): Promise<void> {
    const app = commonApp<App>([{ app: this.#app }, member]);
    if (app === null) throw new WorkflowError('a member of a group belongs to no application');
    this.#app = app;
    const signature = withInherited(member.toJSON(), this.#wireOptions);
    if (app.config.taskAlwaysEager) {
      this.#eager.push(signature);
      return;
    }
    if (this.#body !== null && this.#carried === null) await this.#begin(app, this.#body);
    const addressed = await addressedParts(app, signature, this.#rulesOf(app));
    const planned = planHere(app, addressed, {
      args: this.#args,
      groupId: this.#groupId,
      groupIndex: this.#handles.length,
      rootId: this.#rootId,
      ...(this.#carried !== null && { chord: this.#carried.carried, asOne: true }),
    });
    this.#rootId ??= planned.calls[0]?.rootId ?? null;
    const ready = await readyCalls(app, await preparedCalls(app, planned), {
      rules: this.#rulesOf(app),
      ...storesBefore(app, planned),
    });
    // Only when another member comes: the size of a chord must be known before its last member is sent.
    if (this.#window.publications.length >= windowSize) await this.#publish(app);
    this.#window.calls.push(...ready.calls);
    this.#window.publications.push(...ready.publications);
    this.#handles.push(planned.handle);
  }

  async end(): Promise<Streamed> {
    const app = this.#app;
    if (app === null) {
      const header = new GroupResult(this.#groupId, [], null);
      return { header, result: header };
    }
    const body = this.#body;
    if (app.config.taskAlwaysEager) return this.#endEagerly(app);
    if (body !== null && this.#handles.length === 0) {
      const result = await sendWorkflow(app, withInherited(body.signature.toJSON(), this.#wireOptions), {
        args: [[]],
        ...(this.#id !== null && { id: this.#id }),
        sending: sendingOptionsOf(this.#options),
      });
      return { header: new GroupResult(this.#groupId, [], null), result };
    }
    if (this.#carried !== null) {
      const members = this.#handles.map(({ id }) => id); // each ends as one task
      const chord = { body: this.#carried.carried, rootId: this.#rootId ?? this.#groupId, members };
      const chords = [{ groupId: this.#groupId, size: members.length, ...chord }];
      await this.#prepare(app, { stored: [], chords });
    }
    await this.#publish(app);
    const group: Handle = { kind: 'group', id: this.#groupId, members: this.#handles, parent: null };
    const header = resultOf<unknown>(app, group, this.#rootId);
    noteChild(header, this.#options.addToParent);
    const handle = this.#carried?.handle;
    const result = handle === undefined ? header : resultOf(app, following(handle, group), this.#rootId);
    return { header, result };
  }

  /** The error, with the ids that were sent before it. */
  failed(error: unknown): unknown {
    if (this.#sent.length === 0) return error;
    const window = this.#window.publications.map(({ id }) => id);
    const isUnconfirmed = error instanceof SendUnconfirmed;
    return new PartlySentError(
      { sent: this.#sent, unconfirmed: isUnconfirmed ? window : [], unsent: isUnconfirmed ? [] : window },
      { cause: error },
    );
  }

  /** Stores and sends what all members refer to. */
  async #begin(app: App, { signature, policy }: StreamedBody<App>): Promise<void> {
    const { countdown: _, eta: __, ...later } = this.#wireOptions;
    const addressed = await addressedParts(app, withInherited(signature.toJSON(), later), this.#rulesOf(app));
    this.#carried = carriedBody(addressed, {
      groupId: this.#groupId,
      policy,
      id: this.#id,
      newId: randomIds,
      ...(!keepsRecords(app) && { inlineBytes: Number.POSITIVE_INFINITY }),
    });
    await this.#prepare(app, {
      stored: this.#carried.stored,
      chords: [{ groupId: this.#groupId, size: null }],
    });
  }

  async #prepare(app: App, parts: StoreParts): Promise<void> {
    await readyCalls(app, [], { rules: this.#rulesOf(app), ...storesBefore(app, parts) });
  }

  async #publish(app: App): Promise<void> {
    if (this.#window.publications.length === 0) return;
    await publishReady(app, this.#window, { rules: this.#rulesOf(app) });
    this.#sent.push(...this.#window.publications.map(({ id }) => id));
    this.#window = emptyWindow();
  }

  async #endEagerly(app: App): Promise<Streamed> {
    const group = groupOf(this.#eager);
    const body = this.#body;
    const wire =
      body === null
        ? group
        : chordOf(
            group,
            withInherited(body.signature.toJSON(), this.#wireOptions),
            {},
            body.policy ?? undefined,
          );
    const result = await this.#apply(app, wire, {
      args: this.#args,
      ...(this.#id !== null && { id: this.#id }),
    });
    return { header: result, result };
  }

  /** New for each publication: a stream may take longer than one send is allowed to. */
  #rulesOf(app: App): PublishRules {
    return rulesOf(app, sendingOptionsOf(this.#options));
  }
}

/** Calls that are published together. */
function emptyWindow(): { readonly calls: EncodedCall[]; readonly publications: Publication[] } {
  return { calls: [], publications: [] };
}

/** The options of the whole group; a part's own options take precedence. */
function withInherited(signature: WireSignature, options: Json): WireSignature {
  return { ...signature, options: { ...options, ...signature.options } };
}

function following(handle: Handle, parent: Handle): Handle {
  return { ...handle, parent: handle.parent === null ? parent : following(handle.parent, parent) };
}
