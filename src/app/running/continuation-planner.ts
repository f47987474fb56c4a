// Makes the messages that are sent after a task.

import { WorkflowError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { uuid5 } from '../../lib/uuid.ts';
import type { WireSignature } from '../../protocol/message.ts';
import type { ResultTuple } from '../../protocol/result-meta.ts';
import { toTuple } from '../../results/async-result.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import { groupRecords } from '../../stores/group-records.ts';
import type { Publication } from '../../stores/transport.ts';
import { defaultInlineBytes } from '../../workflow/by-reference.ts';
import type { Follow, FollowRules } from '../../workflow/follow.ts';
import { keepsRecords } from '../../workflow/plan-here.ts';
import { publicationsOfPlan } from '../../workflow/planned-calls.ts';
import { resultOf } from '../../workflow/result-of.ts';
import { prepareStores } from '../../workflow/send-workflow.ts';
import type { App } from '../app.ts';
import { takesError } from './errback.ts';

/** The messages that follow a task, encoded. */
export interface ContinuationPlan {
  readonly follow: Follow;
  readonly publications: readonly Publication[];
  /** The results of the started tasks, for the task's own record. */
  readonly children: readonly ResultTuple[];
}

interface PlannerParts {
  readonly app: App;
  readonly backend: ResultBackend | null;
  readonly clock: Pick<Clock, 'now'>;
}

export class ContinuationPlanner {
  readonly #parts: PlannerParts;
  readonly #rules: Omit<FollowRules, 'now'>;

  constructor(parts: PlannerParts) {
    this.#parts = parts;
    this.#rules = {
      load: (id) => this.#load(id),
      takesError: (errback) => takesError(parts.app, errback),
      inlineBytes: keepsRecords(parts.app) ? defaultInlineBytes : Number.POSITIVE_INFINITY,
    };
  }

  rules(): FollowRules {
    return { ...this.#rules, now: this.#parts.clock.now() };
  }

  /** Stores the lists that are carried by reference, and the sizes of chords, before anything is sent. */
  async makeReady({ starts, shape }: Follow): Promise<void> {
    const { app, backend } = this.#parts;
    if (shape !== undefined && backend !== null && backend.replyTo === undefined)
      await groupRecords(backend).put(shape.id, toTuple(resultOf(app, shape)));
    for (const { plan } of starts)
      if (plan.stored.length > 0 || plan.chords.length > 0) await prepareStores(app, backend, plan);
  }

  /**
   * @param parentPriority the priority of the task before; null: there are several
   * @throws NotSerializableError, PayloadTooLargeError, ConfigError, UnroutableError
   */
  async write(follow: Follow, parentPriority: number | null = null): Promise<ContinuationPlan> {
    const { app } = this.#parts;
    const publications: Publication[] = [];
    for (const { from, plan } of follow.starts) {
      // The id is derived from the place in the workflow, not from the task's id: a replacement has the id of the task that it replaces.
      for (const [index, each] of (await publicationsOfPlan(app, plan, parentPriority)).entries())
        publications.push({ ...each, id: uuid5(from, String(index)) });
    }
    return {
      follow,
      publications,
      children: follow.starts.map(({ plan: { handle } }) => toTuple(resultOf(app, handle))),
    };
  }

  async #load(id: string): Promise<readonly WireSignature[]> {
    const record = await this.#parts.backend?.get(id);
    // We stored a list of signatures; each is checked when it is read.
    if (Array.isArray(record?.result)) return record.result as readonly WireSignature[];
    throw new WorkflowError(
      `the rest of this workflow, stored as ${id}, is gone from the result backend: it has expired or was deleted`,
    );
  }
}

/** Marks messages that may have been sent before: a worker looks for their result before running them. */
export function maybeSentBefore(publications: readonly Publication[]): readonly Publication[] {
  return publications.map((publication) => {
    const { properties } = publication.message;
    const deliveryInfo = { ...properties.deliveryInfo, redelivered: true };
    return {
      ...publication,
      message: { ...publication.message, properties: { ...properties, deliveryInfo } },
    };
  });
}
