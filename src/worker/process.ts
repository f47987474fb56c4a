// The way of one delivery through the worker: decode, admit, execute, decide, hooks, settle, report.
import type { App } from '../app/app.ts';
import { builtinTask } from '../app/running/builtin-tasks.ts';
import { toRequest } from '../app/running/request.ts';
import type { AnyTask } from '../app/task.ts';
import { decodeOptions } from '../config/config.ts';
import type { Decoded, TaskMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Delivery } from '../stores/transport.ts';
import { ActiveTasks } from './active-tasks.ts';
import type { Activity } from './activity.ts';
import { admit, type Check } from './admission/admission.ts';
import { type AdmissionParts, admissionChecks } from './admission/checks.ts';
import { DuplicateGuard } from './admission/duplicate-guard.ts';
import type { ClusterLimits } from './cluster-limits.ts';
import { Decider, type RunDecision } from './decider.ts';
import type { EventLoopMonitor } from './event-loop-monitor.ts';
import { Held, type HeldParts } from './held.ts';
import { callHooks } from './hooks.ts';
import { applyAckPolicy, type ExecutionOutcome } from './outcome.ts';
import type { Pool } from './pools/pool.ts';
import { Rejections } from './rejections.ts';
import { Run, type RunParts } from './run.ts';
import { ackOnly, toFront } from './settlement.ts';
import type { Settled, Settler } from './settler.ts';
import type { TaskEvents } from './task-events.ts';
import { TaskLog } from './task-log.ts';
import { TaskStates, type TaskStatesParts } from './task-states.ts';
import { type TimeLimitRules, timeLimitsOf } from './time-limits.ts';
import { WorkflowSettler } from './workflow-settler.ts';

interface ProcessorParts
  extends Omit<AdmissionParts, 'config' | 'duplicates'>,
    Omit<TimeLimitRules, 'config'>,
    TaskStatesParts,
    HeldParts {
  readonly app: App;
  readonly settler: Settler;
  readonly pool: Pool;
  readonly cluster: ClusterLimits;
  readonly events: TaskEvents;
  readonly activity: Activity;
  readonly eventLoop: Pick<EventLoopMonitor, 'begins'>;
}

export class Processor {
  readonly active: ActiveTasks = new ActiveTasks();
  readonly #parts: ProcessorParts;
  readonly #decodeOptions: ReturnType<typeof decodeOptions>;
  readonly #checks: readonly Check[];
  readonly #rejections: Rejections;
  readonly #runParts: RunParts;
  readonly #states: TaskStates;
  readonly #timeLimits: TimeLimitRules;
  readonly #decider: Decider;
  readonly #workflows: WorkflowSettler;
  readonly #log: TaskLog;

  constructor(parts: ProcessorParts) {
    const { app, settler, backend, clock, logger } = parts;
    const { config } = app;
    this.#parts = parts;
    this.#decodeOptions = decodeOptions(config);
    this.#checks = admissionChecks({
      ...parts,
      config,
      duplicates: new DuplicateGuard(settler, backend, clock),
    });
    this.#timeLimits = { ...parts, config };
    this.#states = new TaskStates(parts);
    this.#runParts = { ...parts, putState: (run, state, meta) => this.#states.put(run, state, meta) };
    this.#log = new TaskLog(logger);
    const workflows = new WorkflowSettler(parts);
    const decider = new Decider({ ...parts, workflows });
    this.#workflows = workflows;
    this.#decider = decider;
    this.#rejections = new Rejections({ ...parts, log: this.#log, workflows, decider });
  }

  /** Takes a delivery, for which a slot was taken, to its end. Never rejects. */
  async process(delivery: Delivery): Promise<void> {
    const { app, settler, turnstile, clock } = this.#parts;
    const held = new Held(this.#parts);
    let message: TaskMessage | null = null;
    this.active.claimed(delivery);
    try {
      if (turnstile !== null) {
        held.hasTurn = await turnstile.enter();
        if (!held.hasTurn) return void (await settler.settle(delivery, toFront)); // fetched ahead, and not begun
      }
      const decoded = this.#decode(delivery);
      if (!decoded.ok)
        return await this.#rejections.reject(delivery, { kind: 'undecodable', refusal: decoded.refusal });
      message = decoded.value;

      const task = taskNamed(app, message.task);
      const rejection = await admit({ delivery, message, task, held }, this.#checks);
      if (rejection !== null) return await this.#rejections.reject(delivery, rejection);

      const run = this.#runOf(delivery, message, task);
      if (run.early) {
        const acknowledged = await settler.settle(delivery, ackOnly);
        if (acknowledged !== 'settled') return this.#log.unsettled(message, acknowledged);
      }
      const received = this.#received(run);
      if (received !== null) await received;

      const startedMs = clock.monotonic();
      const outcome = await this.#execute(run, held);
      const runtimeMs = clock.monotonic() - startedMs;
      if (run.updates !== null) await run.updates;

      const deciding = this.#decider.ofRun(run, outcome);
      const decision = deciding instanceof Promise ? await deciding : deciding;
      if (decision === null) return this.#log.unsettled(message, 'gave-up');

      // Hooks before the settlement: if the process dies in one, the task runs again, and its hooks with it.
      const hooks = callHooks(run, decision.outcome, this.#parts);
      if (hooks !== null) await hooks;
      held.vacate();

      if (!run.early && !(await settler.isOurs(delivery)))
        return this.#log.unsettled(message, delivery.lost.aborted ? 'fenced' : 'gave-up');
      const settled = await this.#workflows.settle(delivery, decision, run.early);
      this.#report(run, decision, settled, runtimeMs);
    } catch (error) {
      await this.#rejections.fault(delivery, error, message);
    } finally {
      this.active.over(delivery);
      held.release();
    }
  }

  /** Returns a delivery that came when the worker had begun to stop to the front of its queue. Never rejects. */
  async giveBack(delivery: Delivery): Promise<void> {
    const held = new Held(this.#parts);
    try {
      await this.#parts.settler.settle(delivery, toFront);
    } catch (error) {
      await this.#rejections.fault(delivery, error);
    } finally {
      held.release();
    }
  }

  /** Gives back what was fetched ahead, from now on. */
  sendHome(): void {
    this.#parts.turnstile?.close();
  }

  #decode(delivery: Delivery): Decoded<TaskMessage> {
    if (!delivery.message.ok) return delivery.message;
    if (delivery.message.value.properties.expiration !== null)
      this.#parts.activity.countExpiring(delivery.queue);
    return decodeTask(delivery.message.value, this.#decodeOptions);
  }

  #runOf(delivery: Delivery, message: TaskMessage, task: AnyTask | undefined): Run {
    if (task === undefined) throw new TypeError('a message that was admitted has a task');
    const { queue, redelivered } = delivery;
    const properties = delivery.message.ok ? delivery.message.value.properties : undefined;
    const hostname = this.#parts.name;
    const request = toRequest(message, { queue, redelivered, hostname, isEager: false, properties });
    return new Run(task, request, delivery, this.#runParts);
  }

  /** Tells that it is here and begins. Null: nobody has to be waited for. */
  #received({ message, request, delivery }: Run): Promise<void> | null {
    const { app, activity, events, logger } = this.#parts;
    this.#log.received(message);
    activity.count(message.task);
    if (events.on) {
      if (delivery.isTold !== true) events.received(message);
      events.started(message);
    }
    const { taskReceived } = app.signals;
    return taskReceived.connected ? taskReceived.send({ request }, logger) : null;
  }

  /** Runs the task's code; its permit is given back as soon as that has ended. */
  async #execute(run: Run, held: Held): Promise<ExecutionOutcome> {
    const { app, eventLoop, clock } = this.#parts;
    const { task, message, delivery, early } = run;
    if (task.options.trackStarted) this.#states.started(run);
    this.active.begins(run, clock.now());
    eventLoop.begins(message);
    const outcome: ExecutionOutcome = this.active.abandoning
      ? { kind: 'abandoned' }
      : await run.execute(timeLimitsOf(task, message, this.#timeLimits));
    this.active.ends(run);
    held.releasePermit();
    const { interrupted } = run;
    const { strikes } = delivery;
    const { workerMaxDeliveries: maxDeliveries } = app.config;
    return applyAckPolicy(outcome, task.options, { early, interrupted, strikes, maxDeliveries });
  }

  #report({ message, early }: Run, decision: RunDecision, settled: Settled, runtimeMs: number): void {
    if (settled !== 'settled') {
      this.#log.unsettled(message, settled);
      return;
    }
    const { clock, events } = this.#parts;
    const { outcome, plan } = decision;
    if (plan.publish !== null) this.#workflows.tell([plan.publish]);
    this.#log.ended(message, outcome, runtimeMs, clock.now(), early);
    if (events.on) events.ended(message, outcome, runtimeMs);
  }
}

/** The application's own, or one that every worker has. */
function taskNamed(app: App, name: string): AnyTask | undefined {
  return app.tasks.get(name) ?? builtinTask(app, name);
}
