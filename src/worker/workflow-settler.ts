// Settling a task of a workflow. What follows it is made durable before its acknowledgement, or together with it. So after a crash on any
// line the message comes back, and the same messages are sent again, with the same ids.

import type { App } from '../app/app.ts';
import { ChordCounter, type Counted } from '../app/running/chord-counter.ts';
import {
  type ContinuationPlan,
  ContinuationPlanner,
  maybeSentBefore,
} from '../app/running/continuation-planner.ts';
import { callErrback } from '../app/running/errback.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { sendAfterPublishOf } from '../sending/announce.ts';
import { sentEvents, tellSent } from '../sending/sent-event.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Delivery, Publication } from '../stores/transport.ts';
import { type Ended, followOf, followOfMember } from '../workflow/follow.ts';
import type { Decision } from './decider.ts';
import type { SettlementPlan } from './settlement.ts';
import type { SettleResult, Settler } from './settler.ts';

interface WorkflowParts {
  readonly app: App;
  readonly settler: Settler;
  readonly backend: ResultBackend | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class WorkflowSettler {
  readonly #parts: WorkflowParts;
  readonly #planner: ContinuationPlanner;
  readonly #chords: ChordCounter;

  constructor(parts: WorkflowParts) {
    this.#parts = parts;
    this.#planner = new ContinuationPlanner(parts);
    const { backend, logger, settler } = parts;
    const retry = settler.retry.bind(settler);
    this.#chords = new ChordCounter({ backend, logger, retry }, this.#planner);
  }

  /**
   * Plans what follows, and encodes it; null: the worker stops, or lost the task, before the store answered.
   * @throws WorkflowError, NotSerializableError and others when it cannot be done: then the task has failed
   */
  async prepare(message: TaskMessage, ended: Ended, lost: AbortSignal): Promise<ContinuationPlan | null> {
    const alone = followOfMember(message, ended);
    if (alone !== null) return { follow: alone, publications: none, children: none };
    let prepared: ContinuationPlan | null = null;
    const done = await this.#parts.settler.retry('read what follows a task', lost, async () => {
      prepared = await this.#planner.write(
        await followOf(message, ended, this.#planner.rules()),
        message.priority,
      );
    });
    return done ? prepared : null;
  }

  /** Settles a delivery as decided. `early`: it was acknowledged before it ran. */
  settle(delivery: Delivery, decision: Decision, early = false): Promise<SettleResult> {
    const { plan, write, continuation } = decision;
    if (continuation !== null) return this.#settleContinued(delivery, plan, continuation, write, early);
    const { settler } = this.#parts;
    return early ? settler.settleEarly(delivery, plan) : settler.settle(delivery, plan, write);
  }

  async #settleContinued(
    delivery: Delivery,
    plan: SettlementPlan,
    { follow, publications }: ContinuationPlan,
    write: StoreWrite | undefined,
    early: boolean,
  ): Promise<SettleResult> {
    const { app, settler, backend, logger } = this.#parts;
    const lost = early ? never : delivery.lost;
    // Its own record before those of tasks that never run: a reader of their failure looks there for the reason.
    const separateStores = !early && !settler.sameStore;
    const isKept = separateStores && plan.action.kind === 'ack';
    if (isKept) {
      const kept = await settler.keep(delivery, plan.record);
      if (kept !== 'settled') return kept;
    }
    if (!early && (await this.#chords.isOneOfMany(follow)))
      return settler.settle(delivery, isKept ? { ...plan, record: null } : plan, write);
    const ready = await settler.retry('store what follows a task', lost, () =>
      this.#planner.makeReady(follow),
    );
    if (!ready) return gaveUp(lost);
    const counted = await this.#chords.count(follow, lost);
    if (counted === null) return gaveUp(lost);
    // Before the settlement: if the process dies in one, the task comes back, and its errbacks are called again.
    for (const call of counted.errbacks) await callErrback(app, call, { signal: lost, logger });
    const all = [...publications, ...counted.publications];
    const next = { ...counted, publications: delivery.redelivered ? maybeSentBefore(all) : all };
    if (early) return this.#endEarly(delivery, plan, next);
    return separateStores || backend === null
      ? this.#endApart(delivery, plan, next)
      : this.#endTogether(delivery, plan, next, backend, write);
  }

  /** Settles a task that was acknowledged before it ran. */
  async #endEarly(delivery: Delivery, plan: SettlementPlan, next: Counted): Promise<SettleResult> {
    const { publications, records, complete } = next;
    const kept = await this.#parts.settler.settleEarly(delivery, plan, publications.map(withoutWrite));
    if (kept !== 'settled') return kept;
    if (!(await this.#keepAll(records, never))) return 'gave-up';
    this.notifyListeners(publications);
    await this.#chords.finish(complete);
    return kept;
  }

  /**
   * In two stores: first the result (stored before, for an acknowledgement), then what follows, then the end of the chord, then the
   * settlement. The result of a dead letter does not prove that the message became one, so it is written after all that a repetition would do again.
   */
  async #endApart(delivery: Delivery, plan: SettlementPlan, next: Counted): Promise<SettleResult> {
    const { settler } = this.#parts;
    const { publications, records, complete } = next;
    if (!(await settler.publish(publications, delivery.lost))) return gaveUp(delivery.lost);
    this.notifyListeners(publications);
    const kept = plan.action.kind === 'ack' ? 'settled' : await settler.keep(delivery, plan.record);
    if (kept !== 'settled') return kept;
    if (!(await this.#keepAll(records, delivery.lost))) return gaveUp(delivery.lost);
    await this.#chords.finish(complete);
    return settler.settle(delivery, { ...plan, record: null });
  }

  /** In one store records, end of the chord and body are one settlement: a worker that lost the lease writes none of them. */
  async #endTogether(
    delivery: Delivery,
    plan: SettlementPlan,
    next: Counted,
    backend: ResultBackend,
    write: StoreWrite | undefined,
  ): Promise<SettleResult> {
    const { settler } = this.#parts;
    const { publications, records, complete } = next;
    const { lost } = delivery;
    if (!(await this.#keepAll(records.slice(0, -maxTogether), lost))) return gaveUp(lost);
    const written = writeOfAll(backend, plan.record, write, records.slice(-maxTogether));
    const isAck = plan.action.kind === 'ack';
    // Nothing can be sent together with a dead letter.
    if (!isAck && !(await settler.publish(publications, lost))) return gaveUp(lost);
    const [first] = complete;
    const ends =
      isAck && first !== undefined ? backend.chords?.writeOfDone(first.groupId, written) : undefined;
    const following = isAck ? publications : none;
    const settled = await settler.settle(delivery, plan, ends ?? written, following);
    if (settled !== 'settled') return settled;
    this.notifyListeners(publications);
    await this.#chords.finish(complete, ends === undefined ? undefined : first);
    return settled;
  }

  async #keepAll(records: readonly ResultRecord[], lost: AbortSignal): Promise<boolean> {
    const { settler, backend } = this.#parts;
    if (records.length === 0 || backend === null) return true;
    return settler.retry('store the results of what will not run', lost, async () => {
      await Promise.all(records.map((record) => backend.put(record)));
    });
  }

  /** Tells monitors and the history that they were sent, and calls the receivers of afterTaskPublish, where there are any. */
  notifyListeners(sent: readonly Publication[]): void {
    const { app } = this.#parts;
    const told = sentEvents(app, sent);
    if (told !== null) tellSent(app, sent, told);
    if (app.signals.afterTaskPublish.connected) void sendAfterPublishOf(app, sent);
  }
}

const never = new AbortController().signal;
const none: readonly never[] = [];

/** How many records of tasks that never run are written with a settlement; the end of a long chain is among them. */
const maxTogether = 200;

/** The task's own prepared record, and then the records of tasks that never run. */
function writeOfAll(
  backend: ResultBackend,
  own: ResultRecord | null,
  prepared: StoreWrite | undefined,
  records: readonly ResultRecord[],
): StoreWrite | undefined {
  const [first, ...more] = own === null ? records : [own, ...records];
  return records.length === 0 || first === undefined ? prepared : backend.writeOf(first, ...more);
}

function gaveUp(lost: AbortSignal): SettleResult {
  return lost.aborted ? 'fenced' : 'gave-up';
}

function withoutWrite({ write: _, ...publication }: Publication): Publication {
  return publication;
}
