// The messages between a worker and the child that runs its tasks. Values with types of their own (a Decimal, a Date in a result) travel as
// text, in their form on the wire.

import type { LogLevel } from '../../../lib/logger.ts';
import type { TaskState } from '../../../protocol/result-meta.ts';
import type { ResultBackendFeatures } from '../../../stores/backend.ts';
import type { FanoutExchange } from '../../../stores/fanout.ts';
import type { TransportFeatures } from '../../../stores/transport.ts';

/** What a child needs before it runs a task. */
export interface ChildData {
  /** The module that exports the application, as `-A` names it, relative to this folder. */
  readonly module: string;
  readonly folder: string;
  /** Node name of the worker. */
  readonly hostname: string;
  readonly logs: readonly LogLevel[];
  /** The pool wants to know how many bytes it takes, after each task: that is a system call. */
  readonly weighs: boolean;
  readonly stores: StoresData;
}

/** What a child needs to know of the worker's stores. */
export interface StoresData {
  readonly transport: { readonly name: string; readonly features: TransportFeatures };
  readonly backend: {
    readonly name: string;
    readonly features: ResultBackendFeatures;
    /** Backend and transport are one store. */
    readonly sameStore: boolean;
    readonly repliesTo: boolean;
  } | null;
}

export type ToChild =
  | { readonly kind: 'run'; readonly run: RunOrder }
  /** Aborts the run's signal, which asks its code to stop. */
  | {
      readonly kind: 'abort';
      readonly name: string;
      readonly message: string;
      readonly seconds: number | null;
    }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly call: number; readonly error: WrittenRefusal }
  /** The next record of a watched task; `null`: the watch has ended. */
  | { readonly kind: 'record'; readonly watch: number; readonly record: string | null }
  /** Its task was revoked: the process sends itself this signal. */
  | { readonly kind: 'raise'; readonly signal: IgnoredSignal }
  | { readonly kind: 'leave' };

/** Signals that a pool's process ignores: a terminal sends them to the whole process group, and the worker decides what they mean. */
export const ignoredSignals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const;
export type IgnoredSignal = (typeof ignoredSignals)[number];

export interface RunOrder {
  /** The message as kombu's envelope, with the properties with which it came. */
  readonly envelope: string;
  readonly queue: string;
  readonly redelivered: boolean;
}

export type FromChild =
  | { readonly kind: 'ready'; readonly tasks: readonly string[] }
  | { readonly kind: 'unfit'; readonly reason: string }
  | { readonly kind: 'end'; readonly end: WrittenEnd }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly fields: object;
      readonly text: string;
      /** It is a line of the running task. */
      readonly ofTask: boolean;
    }
  | { readonly kind: 'call'; readonly call: number; readonly asked: StoreRequest }
  | { readonly kind: 'watch'; readonly watch: number; readonly id: string }
  | { readonly kind: 'unwatch'; readonly watch: number };

/** A child's request to the worker's stores, or to the run. */
export type StoreRequest =
  | { readonly what: 'state'; readonly state: TaskState; readonly meta: string }
  | {
      readonly what: 'publish';
      readonly publications: readonly WrittenPublication[];
      readonly timeoutMs: number | null;
    }
  | {
      readonly what: 'put';
      readonly record: string;
      readonly replyTo: string;
      readonly correlationId: string;
    }
  /** A broadcast, as kombu's envelope. */
  | {
      readonly what: 'tell';
      readonly exchange: FanoutExchange;
      readonly routingKey: string;
      readonly envelope: string;
    }
  | { readonly what: 'get' | 'forget'; readonly id: string }
  | { readonly what: 'size' | 'purge'; readonly queue: string }
  | {
      readonly what: 'lock' | 'extend';
      readonly key: string;
      readonly id: string;
      readonly ttlMs: number;
      readonly replace: boolean;
    }
  | { readonly what: 'unlock'; readonly key: string; readonly id: string }
  | { readonly what: 'owner'; readonly key: string }
  | { readonly what: 'queues' | 'replyTo' | 'workers' };

export interface WrittenPublication {
  readonly id: string;
  readonly queue: string;
  readonly exchange: { readonly name: string; readonly routingKey: string } | null;
  readonly envelope: string;
  /** Milliseconds since 1970. */
  readonly eta: number | null;
  readonly once: boolean;
  /** The record that it was sent, as text; `elsewhere`: see `ResultBackend.writeOfSent`. */
  readonly sent: { readonly record: string; readonly elsewhere: boolean } | null;
}

/** An error of the worker's stores; `code` names its class. */
export interface WrittenRefusal {
  readonly code: string;
  readonly message: string;
  readonly ids: readonly string[];
}

export interface WrittenFailure {
  readonly name: string;
  readonly message: string;
  /** Celery's form of an exception, as JSON. */
  readonly exception: string;
  readonly traceback: string | null;
}

export interface WrittenEnd {
  readonly outcome:
    | { readonly kind: 'success'; readonly value: string }
    | { readonly kind: 'failure'; readonly failure: WrittenFailure; readonly expected: boolean }
    | {
        readonly kind: 'retry';
        readonly at: number;
        readonly options: string;
        readonly cause: WrittenFailure | null;
      }
    | { readonly kind: 'ignored' }
    /** As JSON. */
    | { readonly kind: 'replaced'; readonly signature: string }
    | { readonly kind: 'rejected'; readonly requeue: boolean; readonly reason: string };
  /** The tasks that the run has sent, as JSON. */
  readonly children: string;
  /** Bytes that the process takes; 0: nobody wants to know. For a thread this is the whole worker, and says nothing about the thread. */
  readonly rss: number;
}
