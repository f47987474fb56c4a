// The steps of one delivery in the worker: decode, admit, execute, decide, hooks, settle, report.
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import type { ActiveTasks } from './active-tasks.ts';
import type { Admission } from './admission/admission.ts';
import type { Decider } from './decider.ts';
import type { Decoder } from './decode.ts';
import type { Executor } from './executor.ts';
import { Held, type HeldParts } from './held.ts';
import { telling } from './history-notes.ts';
import type { TaskHooks } from './hooks.ts';
import type { Rejections } from './rejections.ts';
import type { Reporter } from './reporter.ts';
import { ackOnly, toFront } from './settlement.ts';
import type { Settler } from './settler.ts';
import type { WorkflowSettler } from './workflow-settler.ts';

/** The steps, in their order, and what they share. */
interface ProcessorParts {
  readonly decode: Decoder;
  readonly admission: Admission;
  readonly executor: Executor;
  readonly decider: Decider;
  readonly hooks: TaskHooks;
  readonly settler: Settler;
  readonly workflows: WorkflowSettler;
  readonly reporter: Reporter;
  /** For messages that are not run. */
  readonly rejections: Rejections;
  readonly active: ActiveTasks;
  readonly holding: HeldParts;
}

export class Processor {
  readonly #parts: ProcessorParts;

  constructor(parts: ProcessorParts) {
    this.#parts = parts;
  }

  /** Takes a delivery, for which a slot was taken, through all steps. Never rejects. */
  async process(delivery: Delivery): Promise<void> {
    const { decode, admission, executor, decider, hooks, settler, workflows } = this.#parts;
    const { reporter, rejections, active, holding } = this.#parts;
    const held = new Held(holding);
    let message: TaskMessage | null = null;
    active.claimed(delivery);
    try {
      if (holding.prefetchGate !== null) {
        held.hasTurn = await holding.prefetchGate.enter();
        if (!held.hasTurn) return void (await settler.settle(delivery, toFront)); // fetched ahead, and not begun
      }
      const decoded = decode(delivery);
      if (!decoded.ok)
        return await rejections.reject(delivery, { kind: 'undecodable', refusal: decoded.refusal });
      message = decoded.value;

      const candidate = admission.candidate(delivery, message, held);
      const rejection = await admission.admit(candidate);
      if (rejection !== null) return await rejections.reject(delivery, rejection);

      const run = executor.runOf(candidate);
      if (run.early) {
        const acknowledged = await settler.settle(delivery, ackOnly);
        if (acknowledged !== 'settled') return reporter.unsettled(message, acknowledged);
      }
      const received = reporter.received(run);
      if (received !== null) await received;

      const ended = await executor.execute(run);
      held.releasePermit();
      if (run.updates !== null) await run.updates;

      const deciding = decider.ofRun(run, ended);
      const decision = deciding instanceof Promise ? await deciding : deciding;
      if (decision === null) return reporter.unsettled(message, 'gave-up');
      const { outcome, plan } = decision;

      // Hooks before the settlement: if the process dies in one, the task runs again, and its hooks with it.
      const called = hooks(run, outcome);
      if (called !== null) await called;
      held.vacate();

      if (!run.early) {
        const ours = settler.isOurs(delivery);
        if (!(ours === true || (await ours)))
          return reporter.unsettled(message, delivery.isLost ? 'fenced' : 'gave-up');
      }
      const told = reporter.ending(run, outcome, plan);
      const settled = await workflows.settle(delivery, telling(decision, told), run.early);
      if (settled !== 'settled') return reporter.unsettled(message, settled, told);
      if (plan.publish !== null) workflows.notifyListeners([plan.publish]);
      reporter.ended(run, outcome, told);
    } catch (error) {
      await rejections.fault(delivery, error, message);
    } finally {
      active.over(delivery);
      held.release();
    }
  }

  /** Returns a delivery that came after the worker began to stop to the front of its queue. Never rejects. */
  async giveBack(delivery: Delivery): Promise<void> {
    const { settler, rejections, holding } = this.#parts;
    const held = new Held(holding);
    try {
      await settler.settle(delivery, toFront);
    } catch (error) {
      await rejections.fault(delivery, error);
    } finally {
      held.release();
    }
  }
}
