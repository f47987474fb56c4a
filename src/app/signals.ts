// What happens to tasks and workers, for who wants to listen: one table, typed.
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { TaskRequest } from './running/request.ts';
import type { AnyTask } from './task.ts';

/** What each signal carries. Named as Celery's. */
export interface SignalPayloads {
  /** Before a message is sent. `headers` are the user's own and may be added to, for example by a tracer. */
  readonly beforeTaskPublish: {
    readonly message: TaskMessage;
    readonly queue: string;
    readonly headers: Record<string, unknown>;
  };
  /** The broker has it. */
  readonly afterTaskPublish: { readonly message: TaskMessage; readonly queue: string };
  /** A worker has decided to run it. */
  readonly taskReceived: { readonly request: TaskRequest };
  readonly taskPrerun: { readonly task: AnyTask; readonly request: TaskRequest };
  /** The run has ended, however. `result` is the value, the error, or the reason of the retry. */
  readonly taskPostrun: {
    readonly task: AnyTask;
    readonly request: TaskRequest;
    readonly state: TaskState;
    readonly result: unknown;
  };
  readonly taskSuccess: { readonly task: AnyTask; readonly request: TaskRequest; readonly result: unknown };
  readonly taskFailure: { readonly task: AnyTask; readonly request: TaskRequest; readonly error: Error };
  readonly taskRetry: {
    readonly task: AnyTask;
    readonly request: TaskRequest;
    readonly reason: unknown;
    readonly at: Date;
  };
  /** It will not be run: `revoked`, `terminated` or `expired`. */
  readonly taskRevoked: { readonly message: TaskMessage; readonly reason: string };
  /** No task of its name is known here. */
  readonly taskUnknown: { readonly name: string; readonly id: string };
  /** The message was refused: undecodable, or the task threw Reject. */
  readonly taskRejected: { readonly id: string | null; readonly queue: string; readonly reason: string };
  /** The worker's own machinery failed while it ran a task. */
  readonly taskInternalError: { readonly request: TaskRequest; readonly error: unknown };
  readonly workerInit: { readonly hostname: string };
  readonly workerReady: { readonly hostname: string };
  readonly workerShuttingDown: { readonly hostname: string; readonly how: 'warm' | 'soft' | 'cold' };
  readonly workerShutdown: { readonly hostname: string };
  /** A beat starts; `name` is its name among all beats. Whether it leads is not known yet. */
  readonly beatInit: { readonly name: string };
  /** Likewise, after `beatInit`, in the beat of `worker -B`. */
  readonly beatEmbeddedInit: { readonly name: string };
}

export type SignalName = keyof SignalPayloads;

/** One thing that one can listen to. */
export class Signal<Payload> {
  readonly name: string;
  readonly #receivers = new Set<(payload: Payload) => unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** Whether anybody listens. Lets hot paths skip the making of a payload. */
  get connected(): boolean {
    return this.#receivers.size > 0;
  }

  /**
   * Calls `receiver` each time. It may be async, and is waited for. What it throws is logged and changes nothing.
   * @returns a function that disconnects it.
   */
  connect(receiver: (payload: Payload) => unknown): () => void {
    // An own function for each connection: the same receiver connected twice is called twice, and leaves one by one.
    const connection = (payload: Payload): unknown => receiver(payload);
    this.#receivers.add(connection);
    return () => {
      this.#receivers.delete(connection);
    };
  }

  /** Calls the receivers one after another. Never rejects: their errors go to `logger`, or become a process warning. */
  async send(payload: Payload, logger?: Logger): Promise<void> {
    for (const receiver of [...this.#receivers]) {
      try {
        await receiver(payload);
      } catch (error) {
        const message = `a receiver of the signal ${this.name} failed: ${String(error)}`;
        if (logger) logger.error({ err: error, signal: this.name }, message);
        else
          process.emitWarning(message, {
            type: 'UmbelWarning',
            detail: error instanceof Error ? (error.stack ?? '') : '',
          });
      }
    }
  }
}

/** All signals of one application: `app.signals.taskSuccess.connect(fn)`. */
export type Signals = { readonly [Name in SignalName]: Signal<SignalPayloads[Name]> };

/** @internal */
export function createSignals(): Signals {
  return {
    beforeTaskPublish: new Signal('beforeTaskPublish'),
    afterTaskPublish: new Signal('afterTaskPublish'),
    taskReceived: new Signal('taskReceived'),
    taskPrerun: new Signal('taskPrerun'),
    taskPostrun: new Signal('taskPostrun'),
    taskSuccess: new Signal('taskSuccess'),
    taskFailure: new Signal('taskFailure'),
    taskRetry: new Signal('taskRetry'),
    taskRevoked: new Signal('taskRevoked'),
    taskUnknown: new Signal('taskUnknown'),
    taskRejected: new Signal('taskRejected'),
    taskInternalError: new Signal('taskInternalError'),
    workerInit: new Signal('workerInit'),
    workerReady: new Signal('workerReady'),
    workerShuttingDown: new Signal('workerShuttingDown'),
    workerShutdown: new Signal('workerShutdown'),
    beatInit: new Signal('beatInit'),
    beatEmbeddedInit: new Signal('beatEmbeddedInit'),
  };
}
