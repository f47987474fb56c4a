// Chords, as the worker whose task is a member of them sees them: told of its end, and followed when they are complete.

import { BrokerUnavailable, SendUnconfirmed } from '../errors.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { storedId } from '../protocol/workflow-wire.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Publication } from '../stores/transport.ts';
import { nestedValues } from '../workflow/chord-values.ts';
import {
  afterChord,
  chordError,
  type ErrbackCall,
  type Follow,
  failBody,
  type MemberEnd,
} from '../workflow/follow.ts';
import type { ContinuationPlan, ContinuationPlanner } from './continuation-planner.ts';
import type { SettleResult } from './settler.ts';
import type { WorkflowParts } from './workflow-settler.ts';

/** What has come together while chords were counted. */
export interface Counted {
  readonly publications: readonly Publication[];
  readonly errbacks: readonly ErrbackCall[];
  /** Of what never runs: to be written after the record of what is the reason. */
  readonly records: readonly ResultRecord[];
  /** The chords that are complete: a chord before those that its body belongs to. */
  readonly complete: readonly Complete[];
}

interface Complete {
  readonly groupId: string;
  /** Where the body is stored that the members refer to. */
  readonly stored: string | null;
}

export class ChordCounter {
  readonly #parts: WorkflowParts;
  readonly #planner: ContinuationPlanner;

  constructor(parts: WorkflowParts, planner: ContinuationPlanner) {
    this.#parts = parts;
    this.#planner = planner;
  }

  /** Adds the end to its chord; true if nothing follows from it. What fails here is retried. */
  async isOneOfMany({ starts, errbacks, records, members, unlocked }: Follow): Promise<boolean> {
    const [member, other] = members;
    const chords = this.#parts.backend?.chords;
    if (member === undefined || other !== undefined || chords === undefined) return false;
    if (starts.length + errbacks.length + records.length > 0 || unlocked !== undefined) return false;
    try {
      return (await chords.add(member.part, member.place)) !== 'complete';
    } catch {
      return false;
    }
  }

  /** Tells chords of their members, and follows those that are complete with it; null: given up. */
  async count(follow: Follow, lost: AbortSignal): Promise<Counted | null> {
    const { settler, backend } = this.#parts;
    const { errbacks, records, members, unlocked } = follow;
    const nothing = () => ({
      publications: [] as Publication[],
      errbacks: [...errbacks],
      records: [] as ResultRecord[],
      complete: (unlocked === undefined ? [] : [{ groupId: unlocked, stored: null }]) as Complete[],
    });
    let counted = nothing();
    if (records.length === 0 && members.length === 0) return counted;
    if (backend === null) {
      this.#parts.logger.error(
        {},
        'a task of a workflow has ended, and there is no result backend to note it',
      );
      return counted;
    }
    const done = await settler.retry('note the end of a part of a workflow', lost, async () => {
      counted = nothing();
      let open: readonly Follow[] = [follow];
      while (open.length > 0) {
        const next: Follow[] = [];
        for (const { records } of open) counted.records.push(...records);
        const members = open.flatMap((each) => each.members);
        const followed = await Promise.all(
          members.map((member) => this.#add(backend, member, counted.complete)),
        );
        for (const prepared of followed) {
          if (prepared === null) continue;
          counted.publications.push(...prepared.publications);
          counted.errbacks.push(...prepared.follow.errbacks);
          await this.#planner.makeReady(prepared.follow);
          next.push(prepared.follow);
        }
        open = next;
      }
    });
    return done ? counted : null;
  }

  /** What follows the chord of this member, if it is complete with it. */
  async #add(
    backend: ResultBackend,
    member: MemberEnd,
    complete: Complete[],
  ): Promise<ContinuationPlan | null> {
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
      return await this.#planner.write(await afterChord(member, parts, this.#planner.rules(), values));
    } catch (error) {
      if (isPassing(error)) throw error;
      return this.#failed(member, error);
    }
  }

  /** The body cannot be sent, and never will be. */
  async #failed(member: MemberEnd, error: unknown): Promise<ContinuationPlan> {
    const message = `Callback error: ${error instanceof Error ? `${error.name}(${error.message})` : String(error)}`;
    this.#parts.logger.error({ err: error, group_id: member.place.groupId }, `a chord failed: ${message}`);
    const follow = await failBody(member.body, member.rootId, chordError(message), this.#planner.rules());
    return this.#planner.write(follow);
  }

  /**
   * The chords' keys go; those of `ended` have gone with the settlement. A chord that others are a part of goes first: what begins anew
   * after a crash begins with the innermost.
   */
  async finish(
    complete: readonly Complete[],
    settled: SettleResult,
    ended?: Complete,
  ): Promise<SettleResult> {
    const { settler, backend } = this.#parts;
    const chords = backend?.chords;
    if (chords === undefined) return settled;
    for (const chord of [...complete].reverse()) {
      const { groupId, stored } = chord;
      if (chord !== ended) await settler.retry('end a chord', never, () => chords.done(groupId));
      if (stored !== null) await backend?.forget(stored).catch(() => false); // it expires by itself, too
    }
    return settled;
  }
}

const never = new AbortController().signal;

function isPassing(error: unknown): boolean {
  return error instanceof BrokerUnavailable || error instanceof SendUnconfirmed;
}
