// Messages that are not run: settled as decided, and reported.
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Abandoned, Rejection } from './admission/admission.ts';
import { type Decider, readableId } from './decider.ts';
import { telling } from './history-notes.ts';
import type { Reporter } from './reporter.ts';
import type { Settler } from './settler.ts';
import type { WorkflowSettler } from './workflow-settler.ts';

interface RejectionParts {
  readonly settler: Settler;
  readonly workflows: WorkflowSettler;
  readonly decider: Decider;
  readonly reporter: Pick<Reporter, 'rejecting' | 'notRun' | 'unsettled'>;
  readonly logger: Logger;
}

export class Rejections {
  readonly #parts: RejectionParts;

  constructor(parts: RejectionParts) {
    this.#parts = parts;
  }

  /** Settles a message that was not admitted. */
  async reject(delivery: Delivery, rejection: Rejection | Abandoned): Promise<void> {
    const { decider, workflows, reporter } = this.#parts;
    if (rejection.kind === 'abandoned') {
      if (rejection.why === 'fenced') reporter.unsettled(rejection.message, 'fenced');
      return;
    }
    const decision = await decider.ofRejection(delivery, rejection);
    const told = decision && reporter.rejecting(rejection, decision.plan);
    const settled = decision === null ? 'gave-up' : await workflows.settle(delivery, telling(decision, told));
    if (settled === 'settled') await reporter.notRun(delivery, rejection, told);
    else if (rejection.kind !== 'undecodable') reporter.unsettled(rejection.message, settled, told);
  }

  /**
   * The worker itself failed on this message: it becomes a dead letter, since the worker would fail again. If its record is what cannot be
   * written, it gets none. If even that fails, the message keeps its lease and comes back. Never rejects.
   */
  async fault(delivery: Delivery, error: unknown, message: TaskMessage | null = null): Promise<void> {
    const { settler, decider, workflows, logger } = this.#parts;
    try {
      const about = { err: error, queue: delivery.queue, task_id: readableId(delivery) };
      logger.error(about, `the worker failed to handle a message: ${String(error)}`);
      const plan = decider.planOfFault(delivery, error);
      try {
        const decision = await decider.ofFault(delivery, plan, message);
        if (decision !== null) await workflows.settle(delivery, decision);
      } catch {
        await settler.settle(delivery, { ...plan, record: null });
      }
    } catch {
      // It was settled before the failure, or it cannot be settled: nothing more can be done here.
    }
  }
}
