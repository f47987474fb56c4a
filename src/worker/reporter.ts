// Reports what becomes of messages: to the log, as events of Celery, and by the signals of the application.
import type { App } from '../app/app.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Activity } from './activity.ts';
import type { Rejection } from './admission/admission.ts';
import { readableId } from './decider.ts';
import type { Told } from './history-notes.ts';
import type { WorkerMetrics } from './metrics.ts';
import type { ExecutionOutcome } from './outcome.ts';
import type { Run } from './run.ts';
import type { SettlementPlan } from './settlement.ts';
import type { SettleResult } from './settler.ts';
import type { TaskEvents } from './task-events.ts';
import { TaskLog } from './task-log.ts';

interface ReporterParts {
  readonly app: App;
  readonly activity: Activity;
  readonly events: Pick<TaskEvents, Exclude<keyof TaskEvents, 'progressed' | 'logged'>>;
  /** Null: nobody asks for them. */
  readonly metrics: WorkerMetrics | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Reporter {
  readonly #parts: ReporterParts;
  readonly #log: TaskLog;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.#log = new TaskLog(parts.logger);
  }

  /** A message has come, and its task begins. Null: there is no receiver to wait for. */
  received(run: Run): Promise<void> | null {
    const { message, request, delivery } = run;
    const { app, activity, events, metrics, clock, logger } = this.#parts;
    this.#log.received(message);
    activity.count(message.task);
    metrics?.received(run, clock.now());
    if (events.on) {
      if (delivery.isAnnounced !== true) events.received(message, delivery);
      events.started(message);
    }
    const { taskReceived } = app.signals;
    return taskReceived.connected ? taskReceived.send({ request }, logger) : null;
  }

  /** A run has ended, and is about to be settled as planned: what the history is told. Null: nothing. */
  ending(run: Run, outcome: ExecutionOutcome, { action }: SettlementPlan): Told | null {
    const { events } = this.#parts;
    if (!events.areKept) return null;
    const travels = !run.early && action.kind !== 'release';
    return events.ending(run.message, outcome, run.runtimeMs, travels);
  }

  /** The same for a message that is not run. */
  rejecting(rejection: Rejection, { action }: SettlementPlan): Told | null {
    const { events } = this.#parts;
    return events.areKept ? events.rejecting(rejection, action.kind !== 'release') : null;
  }

  /** A run has ended, and is settled. */
  ended(run: Run, outcome: ExecutionOutcome, told: Told | null): void {
    const { message, early, runtimeMs } = run;
    const { clock, events, metrics } = this.#parts;
    this.#log.ended(message, outcome, runtimeMs, clock.now(), early);
    metrics?.ended(run, outcome);
    if (told !== null) events.settled(told);
    else if (events.on) events.ended(message, outcome, runtimeMs);
  }

  /** A run, or a rejection, that could not be settled. */
  unsettled(message: TaskMessage, how: Exclude<SettleResult, 'settled'>, told: Told | null = null): void {
    if (told !== null) this.#parts.events.unsettled(told);
    this.#parts.metrics?.unsettled(message.task, how);
    this.#log.unsettled(message, how);
  }

  /** A message was not run, and that is settled. */
  async notRun(delivery: Delivery, rejection: Rejection, told: Told | null): Promise<void> {
    const { app, events, metrics, clock, logger } = this.#parts;
    metrics?.notRun(delivery.queue, rejection);
    this.#log.notRun(delivery, rejection, clock.now());
    if (told !== null) events.settled(told);
    else if (events.on) events.notRun(rejection, delivery);
    const { taskRejected, taskRevoked, taskUnknown } = app.signals;
    switch (rejection.kind) {
      case 'undecodable':
        return taskRejected.send(
          { id: readableId(delivery), queue: delivery.queue, reason: rejection.refusal.detail },
          logger,
        );
      case 'expired':
      case 'revoked':
        return taskRevoked.send({ message: rejection.message, reason: rejection.kind }, logger);
      case 'unknown':
        if (rejection.until === null)
          await taskUnknown.send({ name: rejection.message.task, id: rejection.message.id }, logger);
    }
  }
}
