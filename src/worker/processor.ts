// The way of one delivery through the worker: admit, execute, settle.
import type { App } from '../app/app.ts';
import { currentTask } from '../app/context.ts';
import { toRequest } from '../app/request.ts';
import { runHooks } from '../app/run.ts';
import { retryMessage, scaleOf, toPublication } from '../app/sender.ts';
import type { AnyTask } from '../app/task.ts';
import { WorkerShutdown } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { StoreWrite } from '../lib/store-write.ts';
import type { Decoded, TaskMessage } from '../protocol/message.ts';
import { isReady, type TaskState } from '../protocol/result-meta.ts';
import { decodeTask } from '../protocol/task.ts';
import type { ResultBackend } from '../results/backend.ts';
import type { Delivery, Publication } from '../transports/transport.ts';
import { type Admission, admit } from './admit.ts';
import {
  type Again,
  ackOnly,
  type Ending,
  endingOfLost,
  endingOfRun,
  failedBecause,
  toFront,
} from './ending.ts';
import { type Limits, Run, type RunEnd, type RunParts, taskFields } from './execute.ts';
import type { Pool } from './pools/pool.ts';
import { isOfDeadLetter, type Records } from './records.ts';
import { Refusals } from './refusals.ts';
import type { Settler } from './settle.ts';
import type { Slots } from './slots.ts';
import { TaskLog } from './task-log.ts';

export interface ProcessorParts {
  readonly app: App;
  /** Node name. */
  readonly name: string;
  readonly backend: ResultBackend | null;
  readonly slots: Slots;
  readonly settler: Settler;
  readonly records: Records;
  readonly pool: Pool;
  /** The worker's own, instead of the configured ones. */
  readonly limits: { readonly soft: number | undefined; readonly hard: number | undefined };
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Processor {
  readonly #parts: ProcessorParts;
  readonly #runParts: RunParts;
  readonly #refusals: Refusals;
  readonly #log: TaskLog;
  readonly #running = new Set<Run>();
  #abandoning = false;

  constructor(parts: ProcessorParts) {
    this.#parts = parts;
    this.#log = new TaskLog(parts.logger);
    this.#refusals = new Refusals({ ...parts, log: this.#log });
    this.#runParts = { ...parts, putState: (run, state, meta) => this.#putState(run, state, meta) };
  }

  /** Takes a delivery, for which a slot was taken, to its end. Never rejects. */
  async process(delivery: Delivery): Promise<void> {
    const place = { vacated: false };
    try {
      const message = this.#read(delivery);
      const finished =
        message.ok &&
        this.#mayBeFinished(delivery, message.value) &&
        (await this.#isFinished(delivery, message.value.id));
      if (finished === 'unknown') return;
      const admission = this.#admit(delivery, message, finished);
      if (admission.kind === 'run') await this.#run(delivery, admission.task, admission.message, place);
      else await this.#refusals.refuse(delivery, admission);
    } catch (error) {
      await this.#refusals.fault(delivery, error);
    } finally {
      this.#parts.slots.release(place.vacated);
    }
  }

  /** Returns a delivery that came when the worker had begun to stop to the front of its queue. Never rejects. */
  async giveBack(delivery: Delivery): Promise<void> {
    try {
      await this.#parts.settler.settle(delivery, toFront);
    } catch (error) {
      await this.#refusals.fault(delivery, error);
    } finally {
      this.#parts.slots.release();
    }
  }

  /** Ends all runs without a result, also those that begin from now on: their messages go back to the front of their queues. */
  abandon(): void {
    this.#abandoning = true;
    for (const run of this.#running) run.interrupt(new WorkerShutdown(), { kind: 'abandoned' });
  }

  /** Fails the task in whose asynchronous calls this code runs. False: it is in none. */
  failCurrent(error: Error): boolean {
    const id = currentTask()?.request.id;
    for (const run of this.#running) {
      if (run.request.id !== id) continue;
      run.interrupt(error, failedBecause(error));
      return true;
    }
    return false;
  }

  #read(delivery: Delivery): Decoded<TaskMessage> {
    if (!delivery.message.ok) return delivery.message;
    const { acceptContent: accept, maxMessageSize: maxSize } = this.#parts.app.config;
    return decodeTask(delivery.message.value, { accept, maxSize });
  }

  #mayBeFinished({ redelivered }: Delivery, { retries }: TaskMessage): boolean {
    return redelivered || (retries > 0 && this.#parts.settler.doubles);
  }

  /** Of a message that came back: whether only its ack was missing. */
  async #isFinished(delivery: Delivery, id: string): Promise<boolean | 'unknown'> {
    const record = await this.#parts.settler.recordOf(delivery, id);
    if (record === 'gave-up') return 'unknown';
    if (record === null) return false;
    // Where result and ack are one, a failure on record is of an earlier life: its dead letter was replayed.
    if (this.#parts.settler.together) return record.status === 'SUCCESS';
    // Elsewhere so is that of a dead letter; or its worker died between the record and the letter, which is still to be
    // written. Any other failure is of a run whose ack is missing.
    return isReady(record.status) && !isOfDeadLetter(record);
  }

  #admit(delivery: Delivery, message: Decoded<TaskMessage>, finished: boolean): Admission<AnyTask> {
    const { app, clock } = this.#parts;
    const task = message.ok ? app.tasks.get(message.value.task) : undefined;
    return admit({
      message,
      task: task?.run ? task : undefined, // one that lives elsewhere is known, but not here
      finished,
      strikes: delivery.strikes,
      parks: delivery.parks,
      now: clock.now(),
      maxDeliveries: app.config.workerMaxDeliveries,
      unknownGraceMs: app.config.workerUnknownTaskGrace * 1000,
    });
  }

  async #run(
    delivery: Delivery,
    task: AnyTask,
    message: TaskMessage,
    place: { vacated: boolean },
  ): Promise<void> {
    const { app, name, settler, slots, clock, logger } = this.#parts;
    const { queue, redelivered } = delivery;
    const request = toRequest(message, { queue, redelivered, hostname: name, isEager: false });
    const run = new Run(task, request, () => delivery.lost, this.#runParts);
    const early = !task.options.acksLate;
    if (early) {
      const settled = await settler.settle(delivery, ackOnly);
      if (settled !== 'settled') return this.#log.unsettled(message, settled);
    }
    this.#log.received(message);
    if (hasFollowers(message)) this.#log.cutOff(message, clock.now());
    if (app.signals.taskReceived.connected) await app.signals.taskReceived.send({ request }, logger);
    if (task.options.trackStarted) this.#markStarted(run);

    const startedMs = clock.monotonic();
    this.#running.add(run);
    const end: RunEnd = this.#abandoning
      ? { kind: 'abandoned' }
      : await run.execute(this.#limitsOf(task, message));
    this.#running.delete(run);
    const runtimeMs = clock.monotonic() - startedMs;

    if (run.updates !== null) await run.updates;
    const decided = this.#decide(delivery, run, end, early);
    // Hooks before the settlement: if the process dies in one, the task runs again, and its hooks with it.
    const hooks = this.#hooksOf(run, decided.end);
    if (hooks !== null) await hooks;
    slots.vacate();
    place.vacated = true;
    const settled = early
      ? await settler.settleEarly(delivery, decided.ending)
      : await settler.settle(delivery, decided.ending, decided.write);
    if (settled === 'settled') this.#log.ended(message, decided.end, runtimeMs, clock.now());
    else this.#log.unsettled(message, settled);
  }

  /** What a run's end comes to. If it cannot be written down (a value that has no form on the wire), it is a failure. */
  #decide(
    delivery: Delivery,
    run: Run,
    end: RunEnd,
    early: boolean,
  ): { end: RunEnd; ending: Ending; write: StoreWrite | undefined } {
    const { app, settler, records } = this.#parts;
    const { message, queue } = run.request;
    const again: Again = {
      retried: (retry) => {
        const to = retry.options.queue ?? queue;
        return toPublication(app, retryMessage(message, retry, Date.now(), scaleOf(app, to)), to);
      },
      requeued: () => requeued(delivery, message.id),
    };
    try {
      const ending =
        early && (end.kind === 'abandoned' || end.kind === 'lost')
          ? endingOfLost(whyLost(end), run, records)
          : endingOfRun(end, run, records, again);
      return { end, ending, write: settler.prepare(ending) };
    } catch (error) {
      const failure = failedBecause(error);
      const ending = endingOfRun(failure, run, records, again);
      return { end: failure, ending, write: settler.prepare(ending) };
    }
  }

  /** A pool of its own processes tells them there, unless their code was ended. */
  #hooksOf(run: Run, end: RunEnd): Promise<void> | null {
    if (end.kind === 'abandoned' || end.kind === 'lost') return null;
    return this.#parts.pool.runsHooks && !run.interrupted ? null : runHooks(run.task, run, end);
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
  #limitsOf({ options }: AnyTask, message: TaskMessage): Limits {
    const { limits, app } = this.#parts;
    // A task that says nothing has the configured limit in its options.
    const limit = (own: number | null, configured: number | null, ours: number | undefined): number | null =>
      own === configured ? (ours ?? own) : own;
    return {
      soft: message.softTimeLimit || limit(options.softTimeLimit, app.config.taskSoftTimeLimit, limits.soft), // 0 is Python's way to say none
      hard: message.timeLimit || limit(options.timeLimit, app.config.taskTimeLimit, limits.hard),
    };
  }
}

function whyLost(end: Extract<RunEnd, { kind: 'abandoned' | 'lost' }>): string {
  return end.kind === 'lost'
    ? `the process that ran the task died: ${end.reason}`
    : 'the worker was shut down while the task ran';
}

function hasFollowers({ embed }: TaskMessage): boolean {
  const { callbacks, errbacks, chain, chord } = embed;
  return Boolean(callbacks?.length || errbacks?.length || chain?.length || chord);
}

/** The message of a delivery, to be sent once more as it came. */
function requeued({ message, queue }: Delivery, id: string): Publication {
  if (!message.ok) throw new TypeError('a message that ran is decodable');
  const { properties } = message.value;
  const deliveryInfo = { ...properties.deliveryInfo, redelivered: true };
  return { id, queue, message: { ...message.value, properties: { ...properties, deliveryInfo } }, eta: null };
}
