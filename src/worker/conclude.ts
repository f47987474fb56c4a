// Ending a task that is part of a workflow: what follows is made durable before, or together with, its acknowledgement, so that
// after a crash on any line the message comes back, and the same is done again, with the same ids.
import type { App } from '../app/app.ts';
import { takesError } from '../app/errback.ts';
import { keepsRecords } from '../app/plan-here.ts';
import { publicationsOfPlan } from '../app/planned-calls.ts';
import { resultOf } from '../app/result-of.ts';
import { prepareStores } from '../app/send-workflow.ts';
import { tellSent } from '../app/sent-event.ts';
import { defaultInlineBytes } from '../canvas/by-reference.ts';
import { BrokerUnavailable, SendUnconfirmed, WorkflowError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { StoreWrite } from '../lib/store-write.ts';
import { uuid5 } from '../lib/uuid.ts';
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import type { ResultTuple } from '../protocol/result-meta.ts';
import { storedId } from '../protocol/workflow-wire.ts';
import { toTuple } from '../results/async-result.ts';
import type { ResultBackend } from '../results/backend.ts';
import type { Delivery, Publication } from '../transports/transport.ts';
import { nestedValues } from './chord-values.ts';
import type { Ending } from './ending.ts';
import {
  afterChord,
  chordError,
  type Ended,
  type Follow,
  type FollowRules,
  failBody,
  followOf,
  followOfMember,
  type MemberEnd,
} from './follow.ts';
import type { Settled, Settler } from './settle.ts';

export interface ConcludeParts {
  readonly app: App;
  readonly settler: Settler;
  readonly backend: ResultBackend | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What follows a task, written down. */
export interface Prepared {
  readonly follow: Follow;
  readonly publications: readonly Publication[];
  /** Of the results of what is started, for the task's own record. */
  readonly children: readonly ResultTuple[];
}

/** What has come together while chords were gathered. */
interface Gathered {
  readonly publications: Publication[];
  /** The chords that are complete: a chord before those that its body belongs to. */
  readonly complete: Complete[];
}

interface Complete {
  readonly groupId: string;
  /** Where the body is stored that the members refer to. */
  readonly stored: string | null;
}

export class Concluder {
  readonly #parts: ConcludeParts;
  readonly #rules: Omit<FollowRules, 'now'>;

  constructor(parts: ConcludeParts) {
    this.#parts = parts;
    this.#rules = {
      load: (id) => this.#load(id),
      takesError: (errback) => takesError(parts.app, errback),
      inlineBytes: keepsRecords(parts.app) ? defaultInlineBytes : Number.POSITIVE_INFINITY,
    };
  }

  /**
   * Decides what follows and writes it down; null: the worker stops, or lost the task, before the store answered.
   * @throws WorkflowError, NotSerializableError and the like when it cannot be: then the task has failed.
   */
  async prepare(message: TaskMessage, ended: Ended, lost: AbortSignal): Promise<Prepared | null> {
    const alone = followOfMember(message, ended);
    if (alone !== null) return { follow: alone, publications: none, children: none };
    let prepared: Prepared | null = null;
    const done = await this.#parts.settler.insist('read what follows a task', lost, async () => {
      prepared = await this.#written(await followOf(message, ended, this.#now()));
    });
    return done ? prepared : null;
  }

  /**
   * Ends the task. `early`: it was acknowledged before it ran. `write` is what the settler prepared of the ending's record.
   */
  async conclude(
    delivery: Delivery,
    ending: Ending,
    { follow, publications }: Prepared,
    { write, early = false }: { readonly write?: StoreWrite | undefined; readonly early?: boolean } = {},
  ): Promise<Settled> {
    const { settler, backend } = this.#parts;
    if (!early && (await this.#isOneOfMany(follow))) return settler.settle(delivery, ending, write);
    const lost = early ? never : delivery.lost;
    const ready = await settler.insist('store what follows a task', lost, () => this.#makeReady(follow));
    if (!ready) return gaveUp(lost);
    const gathered = await this.#gather(follow, lost);
    if (gathered === null) return gaveUp(lost);
    const { complete } = gathered;
    const following = marked([...publications, ...gathered.publications], delivery);
    if (early) {
      const kept = await settler.settleEarly(delivery, ending, following.map(withoutWrite));
      if (kept !== 'settled') return kept;
      this.#tell(following);
      return this.#finish(complete, kept);
    }
    if (settler.together && ending.action.kind === 'ack') {
      const [first] = complete;
      if (first === undefined || backend?.chords === undefined) {
        const alone = await settler.settle(delivery, ending, write, following);
        if (alone === 'settled') this.#tell(following);
        return alone;
      }
      // The chord's end takes the place of the record with the acknowledgement: this member is known as ended before.
      const kept = await settler.keep(delivery, ending.record);
      if (kept !== 'settled') return kept;
      const done = backend.chords.writeOfDone(first.groupId);
      const settled = await settler.settle(delivery, { ...ending, record: null }, done, following);
      if (settled !== 'settled') return settled;
      this.#tell(following);
      return this.#finish(complete, settled, first);
    }
    // Two stores, or a dead letter: the result, then what follows, then the end of the chord, then the acknowledgement.
    const isAck = ending.action.kind === 'ack';
    const kept = isAck ? await settler.keep(delivery, ending.record) : 'settled';
    if (kept !== 'settled') return kept;
    if (!(await settler.publish(following, lost))) return gaveUp(lost);
    this.#tell(following);
    await this.#finish(complete, 'settled');
    return settler.settle(delivery, isAck ? { ...ending, record: null } : ending, write);
  }

  #tell(sent: readonly Publication[]): void {
    const { app } = this.#parts;
    if (app.config.taskSendSentEvent) tellSent(app, sent);
  }

  /** Adds the end to its chord; true if nothing follows from it. What fails here is done anew, with patience. */
  async #isOneOfMany({ starts, records, members, unlocked }: Follow): Promise<boolean> {
    const [member, other] = members;
    const chords = this.#parts.backend?.chords;
    if (member === undefined || other !== undefined || chords === undefined) return false;
    if (starts.length > 0 || records.length > 0 || unlocked !== undefined) return false;
    try {
      return (await chords.add(member.part, member.place)) !== 'complete';
    } catch {
      return false;
    }
  }

  /** The lists that are referred to are kept, and the sizes of chords known, before anything is sent. */
  async #makeReady({ starts }: Follow): Promise<void> {
    const { app, backend } = this.#parts;
    for (const { plan } of starts)
      if (plan.stored.length > 0 || plan.chords.length > 0) await prepareStores(app, backend, plan);
  }

  /** Tells chords of their members, and follows those that are complete with it; null: given up. */
  async #gather(follow: Follow, lost: AbortSignal): Promise<Gathered | null> {
    const { settler, backend } = this.#parts;
    const { records, members, unlocked } = follow;
    const complete = (): Complete[] => (unlocked === undefined ? [] : [{ groupId: unlocked, stored: null }]);
    let gathered: Gathered = { publications: [], complete: complete() };
    if (records.length === 0 && members.length === 0) return gathered;
    if (backend === null) {
      this.#parts.logger.error(
        {},
        'a task of a workflow has ended, and there is no result backend to note it',
      );
      return gathered;
    }
    const done = await settler.insist('note the end of a part of a workflow', lost, async () => {
      gathered = { publications: [], complete: complete() };
      let open: readonly Follow[] = [follow];
      while (open.length > 0) {
        const next: Follow[] = [];
        for (const { records } of open) await Promise.all(records.map((record) => backend.put(record)));
        const members = open.flatMap((each) => each.members);
        const followed = await Promise.all(members.map((member) => this.#add(backend, member, gathered)));
        for (const prepared of followed) {
          if (prepared === null) continue;
          gathered.publications.push(...prepared.publications);
          await this.#makeReady(prepared.follow);
          next.push(prepared.follow);
        }
        open = next;
      }
    });
    return done ? gathered : null;
  }

  /** What follows the chord of this member, if it is complete with it. */
  async #add(backend: ResultBackend, member: MemberEnd, { complete }: Gathered): Promise<Prepared | null> {
    const { chords } = backend;
    const { groupId } = member.place;
    if (chords === undefined) {
      this.#parts.logger.error(
        { group_id: groupId },
        `a member of a chord has ended, but ${backend.name} cannot gather results: the chord will never be complete; keep results in sqlite, redis or postgresql`,
      );
      return null;
    }
    if ((await chords.add(member.part, member.place)) !== 'complete') return null;
    complete.push({ groupId, stored: storedId(member.body) });
    const parts = await chords.parts(groupId);
    try {
      const shape = await backend.groups?.get(groupId);
      const values = shape === undefined ? undefined : nestedValues(shape, parts);
      return await this.#written(await afterChord(member, parts, this.#now(), values));
    } catch (error) {
      if (isPassing(error)) throw error;
      return this.#failed(member, error);
    }
  }

  /** The body cannot be sent, and never will be. */
  async #failed(member: MemberEnd, error: unknown): Promise<Prepared> {
    const said = `Callback error: ${error instanceof Error ? `${error.name}(${error.message})` : String(error)}`;
    this.#parts.logger.error({ err: error, group_id: member.place.groupId }, `a chord failed: ${said}`);
    const follow = await failBody(member.body, member.rootId, chordError(said), this.#now());
    return this.#written(follow);
  }

  async #written(follow: Follow): Promise<Prepared> {
    const { app } = this.#parts;
    const publications: Publication[] = [];
    for (const { from, plan } of follow.starts) {
      // Noted by the place that they are sent from, not by their task's id: one that replaces another has the other's.
      for (const [index, each] of (await publicationsOfPlan(app, plan)).entries())
        publications.push({ ...each, id: uuid5(from, String(index)) });
    }
    return {
      follow,
      publications,
      children: follow.starts.map(({ plan: { handle } }) => toTuple(resultOf(app, handle))),
    };
  }

  /**
   * The chords' keys go; those of `ended` have gone with the settlement. A chord that others are a part of goes first: what begins anew
   * after a crash begins with the innermost.
   */
  async #finish(complete: readonly Complete[], settled: Settled, ended?: Complete): Promise<Settled> {
    const { settler, backend } = this.#parts;
    const chords = backend?.chords;
    if (chords === undefined) return settled;
    for (const chord of [...complete].reverse()) {
      const { groupId, stored } = chord;
      if (chord !== ended) await settler.insist('end a chord', never, () => chords.done(groupId));
      if (stored !== null) await backend?.forget(stored).catch(() => false); // it expires by itself, too
    }
    return settled;
  }

  async #load(id: string): Promise<readonly WireSignature[]> {
    const record = await this.#parts.backend?.get(id);
    // What we stored is a list of signatures; whoever reads them checks each.
    if (Array.isArray(record?.result)) return record.result as readonly WireSignature[];
    throw new WorkflowError(
      `the rest of this workflow, stored as ${id}, is gone from the result backend: it has expired or was deleted`,
    );
  }

  #now(): FollowRules {
    return { ...this.#rules, now: this.#parts.clock.now() };
  }
}

const never = new AbortController().signal;
const none: readonly never[] = [];

function gaveUp(lost: AbortSignal): Settled {
  return lost.aborted ? 'fenced' : 'gave-up';
}

function isPassing(error: unknown): boolean {
  return error instanceof BrokerUnavailable || error instanceof SendUnconfirmed;
}

function withoutWrite({ write: _, ...publication }: Publication): Publication {
  return publication;
}

/** What follows a message that came back may have been sent before: whoever gets it looks for its result first. */
function marked(publications: readonly Publication[], { redelivered }: Delivery): readonly Publication[] {
  if (!redelivered) return publications;
  return publications.map((publication) => {
    const { properties } = publication.message;
    const deliveryInfo = { ...properties.deliveryInfo, redelivered: true };
    return {
      ...publication,
      message: { ...publication.message, properties: { ...properties, deliveryInfo } },
    };
  });
}
