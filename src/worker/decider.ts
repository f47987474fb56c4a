// The only place that decides which writes settle a delivery.
import type { App } from '../app/app.ts';
import type { ContinuationPlan } from '../app/running/continuation-planner.ts';
import type { Retry } from '../app/running/outcome.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import { scaleOf, toPublication } from '../sending/address.ts';
import { retryMessage } from '../sending/prepare.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Delivery, Publication } from '../stores/transport.ts';
import type { Ended } from '../workflow/follow.ts';
import type { Rejection } from './admission/admission.ts';
import { continuationOf, continuationOfFault, continuationOfRejection, mayContinue } from './continuation.ts';
import { type ExecutionOutcome, failureOf } from './outcome.ts';
import { ignoresResult, type Records } from './records.ts';
import type { Run } from './run.ts';
import {
  type EndedRun,
  type Resend,
  type SettlementPlan,
  settlementOf,
  settlementOfFault,
  settlementOfRejection,
  settlementOfUndecodable,
} from './settlement.ts';
import type { Settler } from './settler.ts';
import type { WorkflowSettler } from './workflow-settler.ts';

interface DeciderParts {
  readonly app: App;
  readonly settler: Settler;
  readonly workflows: WorkflowSettler;
  readonly records: Records;
  readonly logger: Logger;
}

/** The writes in the store's form. */
export interface Decision {
  readonly plan: SettlementPlan;
  /** The write of the plan's record, if it can travel with the settlement. */
  readonly write: StoreWrite | undefined;
  /** The messages that follow; null: none. */
  readonly continuation: ContinuationPlan | null;
}

interface RunDecision extends Decision {
  /** A failure, if the run's own outcome, or what follows it, could not be encoded. */
  readonly outcome: ExecutionOutcome;
}

export class Decider {
  readonly #parts: DeciderParts;
  readonly #again: Resend;

  constructor(parts: DeciderParts) {
    this.#parts = parts;
    this.#again = {
      retried: (run, retry) => this.#retried(run, retry),
      requeued: ({ delivery, message }) => requeued(delivery, message.id),
    };
  }

  /** Null: the worker stops, or lost the task, before the messages that follow were known. */
  ofRun(run: Run, outcome: ExecutionOutcome): RunDecision | Promise<RunDecision | null> {
    return mayContinue(run.message, outcome)
      ? this.#ofContinuedRun(run, outcome)
      : this.#ofEndedRun(run, outcome, null);
  }

  /** Null: see {@link ofRun}. */
  async ofRejection(delivery: Delivery, rejection: Rejection): Promise<Decision | null> {
    const { settler } = this.#parts;
    const plan = this.#planOfRejection(delivery, rejection);
    const write = settler.prepare(plan);
    const ended = continuationOfRejection(rejection, settler.sameStore);
    if (ended === null || rejection.kind === 'undecodable') return { plan, write, continuation: null };
    const next = await this.#planContinuation(rejection.message, ended, delivery.lost);
    return next === null ? null : { plan, write, continuation: next.plan };
  }

  /** The plan for a message on which the worker itself failed: it becomes a dead letter. */
  planOfFault(delivery: Delivery, error: unknown): SettlementPlan {
    return settlementOfFault(error, wantedId(delivery), this.#parts.records);
  }

  /** The same, with the messages that follow. Null: see {@link ofRun}. @throws when its record, or one of these messages, cannot be encoded */
  async ofFault(
    delivery: Delivery,
    plan: SettlementPlan,
    message: TaskMessage | null,
  ): Promise<Decision | null> {
    const { settler, workflows } = this.#parts;
    const write = settler.prepare(plan);
    const ended =
      message === null || plan.action.kind !== 'dead'
        ? null
        : continuationOfFault(message, plan.action.detail);
    if (ended === null || message === null) return { plan, write, continuation: null };
    const continuation = await workflows.prepare(message, ended, delivery.lost);
    return continuation === null ? null : { plan, write, continuation };
  }

  /** An outcome that cannot be encoded (a value that has no form on the wire) becomes a failure. */
  #ofEndedRun(run: Run, outcome: ExecutionOutcome, continuation: ContinuationPlan | null): RunDecision {
    const { settler, records } = this.#parts;
    try {
      const plan = settlementOf(outcome, run, records, this.#again);
      return { outcome, plan, write: settler.prepare(plan), continuation };
    } catch (error) {
      const failure = failureOf(error);
      const plan = settlementOf(failure, run, records, this.#again);
      return { outcome: failure, plan, write: settler.prepare(plan), continuation };
    }
  }

  /** For a task that is part of a workflow. If its follow-ups cannot be sent, it has failed, as in Celery, and those of the failure are sent. */
  async #ofContinuedRun(run: Run, outcome: ExecutionOutcome): Promise<RunDecision | null> {
    const { message, early, delivery } = run;
    const { children } = run.request;
    const before = children.length;
    for (let current = outcome; ; ) {
      const ended = continuationOf(current);
      let continuation: ContinuationPlan | null = null;
      if (ended !== null) {
        const next = await this.#planContinuation(message, ended, early ? never : delivery.lost);
        if (next === null) return null;
        if (next.error !== undefined && ended.kind !== 'failure') {
          current = failureOf(next.error);
          continue;
        }
        continuation = next.plan;
      }
      // The record of the task, which is made next, lists them.
      children.splice(
        before,
        children.length,
        ...(run.task.options.trail ? (continuation?.children ?? []) : []),
      );
      const decision = this.#ofEndedRun(run, current, continuation);
      if (decision.outcome === current) return decision;
      current = decision.outcome; // it has no form on the wire, so the task has failed
    }
  }

  /** The messages that follow, or the reason why they cannot be sent. Null: see {@link ofRun}. */
  async #planContinuation(
    message: TaskMessage,
    ended: Ended,
    lost: AbortSignal,
  ): Promise<{ readonly plan: ContinuationPlan | null; readonly error?: unknown } | null> {
    try {
      const plan = await this.#parts.workflows.prepare(message, ended, lost);
      return plan === null ? null : { plan };
    } catch (error) {
      this.#parts.logger.error(
        { err: error, task_id: message.id, task_name: message.task },
        `the follow-ups of ${message.task} cannot be sent: ${String(error)}`,
      );
      return { plan: null, error: error ?? new Error('its follow-ups cannot be sent') };
    }
  }

  #planOfRejection(delivery: Delivery, rejection: Rejection): SettlementPlan {
    const { app, records } = this.#parts;
    if (rejection.kind === 'undecodable') {
      const { reason, detail } = rejection.refusal;
      return settlementOfUndecodable(`${reason}: ${detail}`, wantedId(delivery), records);
    }
    const { message } = rejection;
    const options = app.tasks.get(message.task)?.options;
    const subject = {
      message,
      queue: delivery.queue,
      ignoresResult: ignoresResult(message, options?.ignoreResult ?? false),
      keepsErrors: options?.storeErrorsEvenIfIgnored ?? app.config.taskStoreErrorsEvenIfIgnored,
      children: [],
    };
    return settlementOfRejection(rejection, subject, records);
  }

  #retried({ message, queue }: EndedRun, retry: Retry): Publication {
    const { app } = this.#parts;
    const to = retry.options.queue ?? queue;
    return toPublication(app, retryMessage(message, retry, Date.now(), scaleOf(app, to)), to);
  }
}

const never = new AbortController().signal;

/** The publication of a delivery's own message. */
function requeued({ message, queue }: Delivery, id: string): Publication {
  if (!message.ok) throw new TypeError('a message that ran is decodable');
  const { properties } = message.value;
  const deliveryInfo = { ...properties.deliveryInfo, redelivered: true };
  return { id, queue, message: { ...message.value, properties: { ...properties, deliveryInfo } }, eta: null };
}

const longestId = 512;

/** The task's id in the properties of a message whose body may be unreadable. */
export function readableId(delivery: Delivery): string | null {
  if (!delivery.message.ok) return null;
  const { id } = delivery.message.value.headers;
  return typeof id === 'string' && id !== '' && id.length <= longestId ? id : null;
}

/** The same; null if the result is to be ignored. */
function wantedId(delivery: Delivery): string | null {
  const ignored = delivery.message.ok && delivery.message.value.headers.ignore_result === true;
  return ignored ? null : readableId(delivery);
}
