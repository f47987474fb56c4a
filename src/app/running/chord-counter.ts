// Counts the ends of chord members, and sends what follows a chord that is complete.

import { BrokerUnavailable, SendUnconfirmed } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import { storedId } from '../../protocol/workflow-wire.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import type { Publication } from '../../stores/transport.ts';
import { nestedValues } from '../../workflow/chord-values.ts';
import {
  afterChord,
  chordError,
  type ErrbackCall,
  type Follow,
  failBody,
  type MemberEnd,
} from '../../workflow/follow.ts';
import type { ContinuationPlan, ContinuationPlanner } from './continuation-planner.ts';

/** The result of counting. */
export interface Counted {
  readonly publications: readonly Publication[];
  readonly errbacks: readonly ErrbackCall[];
  /** Records of tasks that never run: written after the record of the failure that is their reason. */
  readonly records: readonly ResultRecord[];
  /** The complete chords: an inner chord before the chord that its body belongs to. */
  readonly complete: readonly Complete[];
}

interface Complete {
  readonly groupId: string;
  /** The id under which the body is stored, if members refer to it. */
  readonly stored: string | null;
}

/** What counting needs of the program that does it. */
interface CounterParts {
  readonly backend: ResultBackend | null;
  readonly logger: Logger;
  /** Repeats what fails for a while; false: given up, since the program stops or has lost the task. */
  retry(what: string, lost: AbortSignal, operation: () => Promise<void>): Promise<boolean>;
}

export class ChordCounter {
  readonly #parts: CounterParts;
  readonly #planner: ContinuationPlanner;

  constructor(parts: CounterParts, planner: ContinuationPlanner) {
    this.#parts = parts;
    this.#planner = planner;
  }

  /** Adds the end to its chord; true if nothing else is to be done. An error here is ignored: the full count retries it. */
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

  /** Adds ends to their chords, and plans what follows those that are complete by it; null: given up. */
  async count(follow: Follow, lost: AbortSignal): Promise<Counted | null> {
    const { backend } = this.#parts;
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
    const done = await this.#parts.retry('note the end of a part of a workflow', lost, async () => {
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

  /** The plan of what follows this member's chord, if this member completes it. */
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
    if (!member.closed && (await chords.add(member.part, member.place)) !== 'complete') return null;
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

  /** The body can never be sent. */
  async #failed(member: MemberEnd, error: unknown): Promise<ContinuationPlan> {
    const message = `Callback error: ${error instanceof Error ? `${error.name}(${error.message})` : String(error)}`;
    this.#parts.logger.error({ err: error, group_id: member.place.groupId }, `a chord failed: ${message}`);
    const follow = await failBody(member.body, member.rootId, chordError(message), this.#planner.rules());
    return this.#planner.write(follow);
  }

  /**
   * Deletes the chords' keys; those of `ended` went with the settlement. An inner chord is deleted before the chord that it is part of: after a
   * crash the repetition begins with the innermost.
   */
  async finish(complete: readonly Complete[], ended?: Complete): Promise<void> {
    const { backend } = this.#parts;
    const chords = backend?.chords;
    if (chords === undefined) return;
    for (const chord of [...complete].reverse()) {
      const { groupId, stored } = chord;
      if (chord !== ended) await this.#parts.retry('end a chord', never, () => chords.done(groupId));
      if (stored !== null) await backend?.forget(stored).catch(() => false); // it expires by itself, too
    }
  }
}

const never = new AbortController().signal;

function isPassing(error: unknown): boolean {
  return error instanceof BrokerUnavailable || error instanceof SendUnconfirmed;
}
