// Signals: events of tasks and workers that an application can listen to, in one typed table.
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { TaskRequest } from './running/request.ts';
import type { AnyTask } from './task.ts';

/** The payload of each signal. The names are Celery's. */
export interface SignalPayloads {
  /** Before a message is sent. A receiver may add to `headers`, which are the user's own; a tracer does. */
  readonly beforeTaskPublish: {
    readonly message: TaskMessage;
    readonly queue: string;
    readonly headers: Record<string, unknown>;
  };
  /** The broker has the message. */
  readonly afterTaskPublish: { readonly message: TaskMessage; readonly queue: string };
  /** A worker has decided to run the task. */
  readonly taskReceived: { readonly request: TaskRequest };
  /** The task's code is about to run. */
  readonly taskPrerun: { readonly task: AnyTask; readonly request: TaskRequest };
  /** The run has ended, in any way. `result` is the value, the error, or the reason of the retry. */
  readonly taskPostrun: {
    readonly task: AnyTask;
    readonly request: TaskRequest;
    readonly state: TaskState;
    readonly result: unknown;
  };
  /** The code has returned; the result may not be stored yet. */
  readonly taskSuccess: { readonly task: AnyTask; readonly request: TaskRequest; readonly result: unknown };
  /** The task has failed, and is not retried. */
  readonly taskFailure: { readonly task: AnyTask; readonly request: TaskRequest; readonly error: Error };
  /** The task will run again, at `at`. */
  readonly taskRetry: {
    readonly task: AnyTask;
    readonly request: TaskRequest;
    readonly reason: unknown;
    readonly at: Date;
  };
  /** The task will not run: `revoked`, `terminated` or `expired`. */
  readonly taskRevoked: { readonly message: TaskMessage; readonly reason: string };
  /** The worker knows no task of this name. */
  readonly taskUnknown: { readonly name: string; readonly id: string };
  /** The message was refused: it cannot be decoded, or the task threw Reject. */
  readonly taskRejected: { readonly id: string | null; readonly queue: string; readonly reason: string };
  /** The worker itself failed while it ran a task. */
  readonly taskInternalError: { readonly request: TaskRequest; readonly error: unknown };
  /** A worker starts; it takes no messages yet. */
  readonly workerInit: { readonly hostname: string };
  /** A worker takes messages. */
  readonly workerReady: { readonly hostname: string };
  /** A worker takes no more messages and stops: `warm` waits for what runs, `cold` does not. */
  readonly workerShuttingDown: { readonly hostname: string; readonly how: 'warm' | 'soft' | 'cold' };
  /** A worker has stopped. */
  readonly workerShutdown: { readonly hostname: string };
  /** A child of a pool has loaded the application and will run tasks: for what each process needs of its own, as a database's connections. */
  readonly workerProcessInit: { readonly hostname: string };
  /** A child of a pool ends because it is not needed any more. It has 2 s. A child that is killed sends nothing. */
  readonly workerProcessShutdown: { readonly hostname: string };
  /** A beat starts. `name` is its name among all beats. It is not known yet whether it leads. */
  readonly beatInit: { readonly name: string };
  /** After `beatInit`, in the beat of `worker -B`. */
  readonly beatEmbeddedInit: { readonly name: string };
}

/** The names of the signals. */
export type SignalName = keyof SignalPayloads;

/** A signal, and those who listen to it. */
export class Signal<Payload> {
  /** The signal's name, `taskSuccess`. */
  readonly name: string;
  readonly #receivers = new Set<(payload: Payload) => unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** Whether there is a receiver. Lets hot paths skip making a payload. */
  get connected(): boolean {
    return this.#receivers.size > 0;
  }

  /**
   * Calls `receiver` each time the signal is sent. It may be async, and is awaited. An error that it throws is logged and changes nothing.
   * @returns a function that disconnects it.
   */
  connect(receiver: (payload: Payload) => unknown): () => void {
    // A new function for each connection: a receiver that is connected twice is called twice, and disconnected one at a time.
    const connection = (payload: Payload): unknown => receiver(payload);
    this.#receivers.add(connection);
    return () => {
      this.#receivers.delete(connection);
    };
  }

  /** Calls the receivers in sequence. Never rejects: their errors go to `logger`, or become a process warning. */
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
    workerProcessInit: new Signal('workerProcessInit'),
    workerProcessShutdown: new Signal('workerProcessShutdown'),
    workerShuttingDown: new Signal('workerShuttingDown'),
    workerShutdown: new Signal('workerShutdown'),
    beatInit: new Signal('beatInit'),
    beatEmbeddedInit: new Signal('beatEmbeddedInit'),
  };
}
