import { currentTask } from '../app/running/context.ts';
import { TaskRevokedError, WorkerShutdown } from '../errors.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import { failureOf } from './outcome.ts';
import type { Run } from './run.ts';

/** The deliveries and runs that a worker holds, for code that shows or ends them. */
export class ActiveTasks {
  readonly #running = new Map<Run, number>();
  readonly #inHand = new Set<Delivery>();
  #abandoning = false;

  /** The runs, and when each began (milliseconds since 1970). */
  get running(): ReadonlyMap<Run, number> {
    return this.#running;
  }

  /** Deliveries that were claimed, and are neither settled nor given back. */
  get inHand(): ReadonlySet<Delivery> {
    return this.#inHand;
  }

  /** Set: all runs are ended, also those that begin from now on. */
  get abandoning(): boolean {
    return this.#abandoning;
  }

  claimed(delivery: Delivery): void {
    this.#inHand.add(delivery);
  }

  /** The delivery is settled or given back. */
  over(delivery: Delivery): void {
    this.#inHand.delete(delivery);
  }

  begins(run: Run, nowMs: number): void {
    this.#running.set(run, nowMs);
  }

  ends(run: Run): void {
    this.#running.delete(run);
  }

  /** Ends all runs without a result, also those that begin from now on: their messages go back to the front of their queues. */
  abandon(): void {
    this.#abandoning = true;
    for (const run of this.#running.keys()) run.interrupt(new WorkerShutdown(), { kind: 'abandoned' });
  }

  /** Fails the task in whose asynchronous calls this code runs. False: this code runs in no task. */
  failCurrent(error: Error): boolean {
    const id = currentTask()?.request.id;
    for (const run of this.#running.keys()) {
      if (run.request.id !== id) continue;
      run.interrupt(error, failureOf(error));
      return true;
    }
    return false;
  }

  /** Ends the runs for which `isMeant` is true, as revoked. Returns their ids. */
  terminate(isMeant: (message: TaskMessage) => boolean, signum: number | null): readonly string[] {
    const ended: string[] = [];
    for (const run of this.#running.keys()) {
      if (!isMeant(run.message)) continue;
      run.interrupt(new TaskRevokedError(run.message.id, 'terminated'), { kind: 'revoked', signum });
      ended.push(run.message.id);
    }
    return ended;
  }
}
