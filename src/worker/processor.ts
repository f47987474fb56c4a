// The way of one delivery through the worker: admit, execute, settle.

import type { App } from '../app/app.ts';
import { builtinTask } from '../app/running/builtin-tasks.ts';
import { currentTask } from '../app/running/context.ts';
import { toRequest } from '../app/running/request.ts';
import { runHooks } from '../app/running/run.ts';
import type { AnyTask } from '../app/task.ts';
import { decodeOptions } from '../config/config.ts';
import { TaskRevokedError, WorkerShutdown } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Decoded, TaskMessage } from '../protocol/message.ts';
import { isReady, type ResultRecord, type TaskState } from '../protocol/result-meta.ts';
import { decodeTask } from '../protocol/task.ts';
import type { ResultBackend } from '../stores/backend.ts';
import { readLock } from '../stores/locks.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Activity } from './activity.ts';
import { type Admission, admit } from './admit.ts';
import type { ClusterLimits, Permit } from './cluster-limits.ts';
import { Decider } from './decider.ts';
import { Doubles } from './doubles.ts';
import type { EventLoopMonitor } from './event-loop-monitor.ts';
import { applyAckPolicy, type ExecutionOutcome, failureOf } from './outcome.ts';
import type { Pool } from './pools/pool.ts';
import type { RateLimits } from './rate-limits.ts';
import { isOfDeadLetter, isOfTimeLimit, type Records } from './records.ts';
import { Rejections } from './rejections.ts';
import type { Revocations } from './revocations.ts';
import { type Limits, Run, type RunParts, taskFields } from './run.ts';
import { ackOnly, toFront } from './settlement.ts';
import type { Settler } from './settler.ts';
import type { Slots } from './slots.ts';
import type { Standstill } from './standstill.ts';
import type { TaskEvents } from './task-events.ts';
import { TaskLog } from './task-log.ts';
import type { Turnstile } from './turnstile.ts';
import { WorkflowSettler } from './workflow-settler.ts';

export interface ProcessorParts {
  readonly app: App;
  /** Node name. */
  readonly name: string;
  readonly backend: ResultBackend | null;
  readonly slots: Slots;
  /** Where messages are fetched ahead of free slots; else null. */
  readonly turnstile: Turnstile | null;
  readonly settler: Settler;
  readonly records: Records;
  readonly pool: Pool;
  readonly rateLimits: RateLimits;
  readonly cluster: ClusterLimits;
  /** Set while it runs, by task; they go before the tasks' own. */
  readonly timeLimits: ReadonlyMap<string, Limits>;
  readonly revocations: Revocations;
  readonly events: TaskEvents;
  readonly activity: Activity;
  readonly standstill: Pick<Standstill, 'doubtful'>;
  readonly eventLoop: Pick<EventLoopMonitor, 'begins'>;
  /** The worker's own, instead of the configured ones. */
  readonly limits: { readonly soft: number | undefined; readonly hard: number | undefined };
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Processor {
  readonly #parts: ProcessorParts;
  readonly #runParts: RunParts;
  readonly #rejections: Rejections;
  readonly #workflows: WorkflowSettler;
  readonly #decider: Decider;
  readonly #log: TaskLog;
  readonly #doubles: Doubles;
  /** When each began, milliseconds since 1970. */
  readonly #running = new Map<Run, number>();
  /** Deliveries that are neither settled nor given back. */
  readonly #inHand = new Set<Delivery>();
  #abandoning = false;

  constructor(parts: ProcessorParts) {
    this.#parts = parts;
    this.#log = new TaskLog(parts.logger);
    this.#doubles = new Doubles(parts.settler, parts.backend, parts.clock);
    this.#workflows = new WorkflowSettler(parts);
    const workflows = this.#workflows;
    this.#decider = new Decider({ ...parts, workflows });
    this.#rejections = new Rejections({ ...parts, log: this.#log, workflows, decider: this.#decider });
    this.#runParts = { ...parts, putState: (run, state, meta) => this.#putState(run, state, meta) };
  }

  /** Takes a delivery, for which a slot was taken, to its end. Never rejects. */
  async process(delivery: Delivery): Promise<void> {
    const { turnstile } = this.#parts;
    const place: Place = { vacated: false, turn: false, permit: null };
    this.#inHand.add(delivery);
    let message: Decoded<TaskMessage> | null = null;
    try {
      if (turnstile !== null) {
        place.turn = await turnstile.enter();
        if (!place.turn) {
          await this.#parts.settler.settle(delivery, toFront); // fetched ahead, and not begun
          return;
        }
      }
      message = this.#read(delivery);
      const { doubtful } = this.#parts.standstill;
      const finished =
        message.ok && (doubtful || this.#mayBeFinished(delivery, message.value))
          ? await this.#finished(delivery, message.value)
          : null;
      if (finished === 'unknown') return;
      // What was claimed before the process stood still may be another's by now.
      if (doubtful && delivery.lost.aborted && message.ok)
        return this.#log.unsettled(message.value, 'fenced');
      const admission = this.#admit(delivery, message, finished);
      if (admission.kind !== 'run') await this.#rejections.reject(delivery, admission);
      else if (await this.#isPermitted(delivery, admission, place))
        await this.#run(delivery, admission.task, admission.message, place);
    } catch (error) {
      await this.#rejections.fault(delivery, error, message?.ok ? message.value : null);
    } finally {
      this.#inHand.delete(delivery);
      this.#leavePermit(place);
      this.#leaveTurn(place);
      this.#parts.slots.release(place.vacated);
    }
  }

  /** Returns a delivery that came when the worker had begun to stop to the front of its queue. Never rejects. */
  async giveBack(delivery: Delivery): Promise<void> {
    try {
      await this.#parts.settler.settle(delivery, toFront);
    } catch (error) {
      await this.#rejections.fault(delivery, error);
    } finally {
      this.#parts.slots.release();
    }
  }

  /** Gives back what was fetched ahead, from now on. */
  sendHome(): void {
    this.#parts.turnstile?.close();
  }

  /** Ends all runs without a result, also those that begin from now on: their messages go back to the front of their queues. */
  abandon(): void {
    this.#abandoning = true;
    for (const run of this.#running.keys()) run.interrupt(new WorkerShutdown(), { kind: 'abandoned' });
  }

  /** Fails the task in whose asynchronous calls this code runs. False: it is in none. */
  failCurrent(error: Error): boolean {
    const id = currentTask()?.request.id;
    for (const run of this.#running.keys()) {
      if (run.request.id !== id) continue;
      run.interrupt(error, failureOf(error));
      return true;
    }
    return false;
  }

  /** What runs, and since when (milliseconds since 1970). */
  get running(): ReadonlyMap<Run, number> {
    return this.#running;
  }

  /** What was claimed and is not over. */
  get inHand(): ReadonlySet<Delivery> {
    return this.#inHand;
  }

  /** Ends those that run of which this is true, as revoked. Returns their ids. */
  terminate(isMeant: (message: TaskMessage) => boolean, signum: number | null): readonly string[] {
    const ended: string[] = [];
    for (const run of this.#running.keys()) {
      if (!isMeant(run.message)) continue;
      run.interrupt(new TaskRevokedError(run.message.id, 'terminated'), { kind: 'revoked', signum });
      ended.push(run.message.id);
    }
    return ended;
  }

  #read(delivery: Delivery): Decoded<TaskMessage> {
    if (!delivery.message.ok) return delivery.message;
    if (delivery.message.value.properties.expiration !== null)
      this.#parts.activity.countExpiring(delivery.queue);
    return decodeTask(delivery.message.value, decodeOptions(this.#parts.app.config));
  }

  #mayBeFinished({ redelivered, replayed }: Delivery, { retries }: TaskMessage): boolean {
    return redelivered || replayed === true || (retries > 0 && this.#parts.settler.doubles);
  }

  /** Of a message that came back: the record of its end, if only its ack was missing. */
  async #finished(delivery: Delivery, message: TaskMessage): Promise<ResultRecord | null | 'unknown'> {
    await this.#doubles.await(message, delivery);
    const record = await this.#parts.settler.recordOf(delivery, message.id);
    if (record === 'gave-up') return 'unknown';
    if (record === null) return null;
    // Where result and ack are one, a failure on record is of an earlier life: its dead letter was replayed.
    if (delivery.replayed || this.#parts.settler.together) return record.status === 'SUCCESS' ? record : null;
    // Elsewhere so is that of a dead letter; or its worker died between the record and the letter, which is still to be
    // written. Any other failure is of a run whose ack is missing.
    const options = taskNamed(this.#parts.app, message.task)?.options;
    const isBuried =
      options?.acksOnFailure === false || (options?.acksOnTimeout === false && isOfTimeLimit(record));
    if (record.status === 'FAILURE' && isBuried) return null;
    return isReady(record.status) && !isOfDeadLetter(record) ? record : null;
  }

  #admit(
    delivery: Delivery,
    message: Decoded<TaskMessage>,
    finished: ResultRecord | null,
  ): Admission<AnyTask> {
    const { app, clock } = this.#parts;
    const task = message.ok ? taskNamed(app, message.value.task) : undefined;
    return admit({
      message,
      task: task?.run ? task : undefined, // one that lives elsewhere is known, but not here
      finished,
      revoked: message.ok && this.#parts.revocations.has(message.value),
      strikes: delivery.strikes,
      parks: delivery.parks,
      now: clock.now(),
      maxDeliveries: app.config.workerMaxDeliveries,
      unknownGraceMs: app.config.workerUnknownTaskGrace * 1000,
      limited: () => this.#limited(message),
    });
  }

  #limited(message: Decoded<TaskMessage>): number | null {
    const { app, clock, rateLimits } = this.#parts;
    if (!message.ok || app.config.workerDisableRateLimits) return null;
    const { task, id } = message.value;
    return rateLimits.askFor(task, taskNamed(app, task)?.options.rateLimit ?? null, id, clock.now());
  }

  /** Whether the limits that all workers share let it run now; if not, it was put aside. */
  async #isPermitted(
    delivery: Delivery,
    { task, message }: Extract<Admission<AnyTask>, { kind: 'run' }>,
    place: Place,
  ): Promise<boolean> {
    const { cluster, settler } = this.#parts;
    const lock = delivery.message.ok ? readLock(delivery.message.value.headers) : null;
    if (lock?.replaceable === true) {
      let isReplaced = false;
      const known = await settler.insist('look for the lock of a unique task', delivery.lost, async () => {
        isReplaced = await settler.unique.isReplaced(lock, message.id);
      });
      if (!known) return false;
      if (isReplaced) {
        await this.#rejections.reject(delivery, { kind: 'revoked', message });
        return false;
      }
    }
    const asks = cluster.asksOf(task, message, delivery.queue);
    if (asks === null) return true;
    const permit = await cluster.take(message, delivery.queue, asks, delivery.lost);
    if (permit === null) return false;
    if (typeof permit === 'number') {
      await this.#rejections.reject(delivery, { kind: 'limited', message, until: new Date(permit) });
      return false;
    }
    place.permit = permit;
    return true;
  }

  #leaveTurn(place: Place): void {
    if (!place.turn) return;
    place.turn = false;
    this.#parts.turnstile?.leave();
  }

  #leavePermit(place: Place): void {
    if (place.permit === null) return;
    this.#parts.cluster.release(place.permit);
    place.permit = null;
  }

  async #run(delivery: Delivery, task: AnyTask, message: TaskMessage, place: Place): Promise<void> {
    const { app, name, settler, slots, events, clock, logger } = this.#parts;
    const { queue, redelivered } = delivery;
    const properties = delivery.message.ok ? delivery.message.value.properties : undefined;
    const request = toRequest(message, { queue, redelivered, hostname: name, isEager: false, properties });
    const run = new Run(task, request, delivery, this.#runParts);
    const { early } = run;
    if (early) {
      const settled = await settler.settle(delivery, ackOnly);
      if (settled !== 'settled') return this.#log.unsettled(message, settled);
    }
    this.#log.received(message);
    this.#parts.activity.count(message.task);
    if (events.on) {
      if (delivery.isTold !== true) events.received(message);
      events.started(message);
    }
    if (app.signals.taskReceived.connected) await app.signals.taskReceived.send({ request }, logger);
    if (task.options.trackStarted) this.#markStarted(run);

    const startedMs = clock.monotonic();
    this.#running.set(run, clock.now());
    this.#parts.eventLoop.begins(message);
    const ended: ExecutionOutcome = this.#abandoning
      ? { kind: 'abandoned' }
      : await run.execute(this.#limitsOf(task, message));
    this.#running.delete(run);
    this.#leavePermit(place);
    const { interrupted } = run;
    const { workerMaxDeliveries: maxDeliveries } = app.config;
    const { strikes } = delivery;
    const outcome = applyAckPolicy(ended, task.options, { early, interrupted, strikes, maxDeliveries });
    const runtimeMs = clock.monotonic() - startedMs;

    if (run.updates !== null) await run.updates;
    const deciding = this.#decider.ofRun(run, outcome);
    const decision = deciding instanceof Promise ? await deciding : deciding;
    if (decision === null) return this.#log.unsettled(message, 'gave-up');
    // Hooks before the settlement: if the process dies in one, the task runs again, and its hooks with it.
    const hooks = this.#hooksOf(run, decision.outcome);
    if (hooks !== null) await hooks;
    slots.vacate();
    place.vacated = true;
    this.#leaveTurn(place);
    if (!early && !(await settler.isOurs(delivery)))
      return this.#log.unsettled(message, delivery.lost.aborted ? 'fenced' : 'gave-up');
    const settled = await this.#workflows.settle(delivery, decision, early);
    if (settled === 'settled') {
      const { outcome: counted, plan } = decision;
      if (plan.publish !== null) this.#workflows.tell([plan.publish]);
      this.#log.ended(message, counted, runtimeMs, clock.now(), early);
      if (events.on) events.ended(message, counted, runtimeMs);
    } else this.#log.unsettled(message, settled);
  }

  /** A pool of its own processes tells them there, unless their code was ended. */
  #hooksOf(run: Run, outcome: ExecutionOutcome): Promise<void> | null {
    if (outcome.kind === 'abandoned' || outcome.kind === 'lost' || outcome.kind === 'overran') return null;
    const { app, logger } = this.#parts;
    const { taskRejected, taskRevoked } = app.signals;
    if (outcome.kind === 'revoked')
      return taskRevoked.send({ message: run.message, reason: 'terminated' }, logger);
    const hooks = this.#parts.pool.runsHooks && !run.interrupted ? null : runHooks(run.task, run, outcome);
    if (outcome.kind !== 'rejected' || !taskRejected.connected) return hooks;
    const { id, queue } = run.request;
    return Promise.resolve(hooks).then(() =>
      taskRejected.send({ id, queue, reason: outcome.reason }, logger),
    );
  }

  /** STARTED is news, not a step: the start does not wait for it, and without it the task runs, too. */
  #markStarted(run: Run): void {
    const { name, logger } = this.#parts;
    run.updateState('STARTED', { pid: process.pid, hostname: name }).catch((error: unknown) => {
      logger.warn(
        { err: error, ...taskFields(run.request) },
        `cannot store the state STARTED: ${String(error)}`,
      );
    });
  }

  async #putState(run: Run, state: TaskState, meta: unknown): Promise<void> {
    const record = this.#parts.records.state(run, state, meta);
    const { replyTo, correlationId } = run.request;
    if (record !== null) await this.#parts.backend?.put(record, { replyTo, correlationId });
  }

  /** Celery's order: what the message says, else the task, else the worker, else the configuration. */
  #limitsOf({ name, options }: AnyTask, message: TaskMessage): Limits {
    const { limits, timeLimits, app } = this.#parts;
    const said = timeLimits.get(name);
    if (said !== undefined)
      return { soft: message.softTimeLimit || said.soft, hard: message.timeLimit || said.hard };
    // A task that says nothing has the configured limit in its options.
    const limit = (own: number | null, configured: number | null, ours: number | undefined): number | null =>
      own === configured ? (ours ?? own) : own;
    return {
      soft: message.softTimeLimit || limit(options.softTimeLimit, app.config.taskSoftTimeLimit, limits.soft), // 0 is Python's way to say none
      hard: message.timeLimit || limit(options.timeLimit, app.config.taskTimeLimit, limits.hard),
    };
  }
}

/** The application's own, or one that every worker has. */
function taskNamed(app: App, name: string): AnyTask | undefined {
  return app.tasks.get(name) ?? builtinTask(app, name);
}

/** What one delivery takes. */
interface Place {
  vacated: boolean;
  /** It is through the turnstile. */
  turn: boolean;
  permit: Permit | null;
}
