// Makes the records that a worker writes, in Celery's form.
import type { Clock } from '../lib/clock.ts';
import { encodeException } from '../protocol/exception.ts';
import type { TaskMessage } from '../protocol/message.ts';
import {
  isReady,
  type ResultRecord,
  type ResultTuple,
  type TaskState,
  type WireException,
} from '../protocol/result-meta.ts';

/** What records need of a task. */
export interface Subject {
  readonly message: TaskMessage;
  readonly queue: string;
  /** See {@link ignoresResult}. */
  readonly ignoresResult: boolean;
  /** Celery's store_errors_even_if_ignored, of the task or of all tasks. */
  readonly keepsErrors: boolean;
  /** The tasks that this task has sent. */
  readonly children: readonly ResultTuple[];
}

interface RecordRules {
  /** Node name. */
  readonly worker: string;
  /** Celery's result_extended. */
  readonly extended: boolean;
  readonly clock: Clock;
}

/** Makes records; `null` where the task's result is ignored. */
export class Records {
  readonly #rules: RecordRules;

  constructor(rules: RecordRules) {
    this.#rules = rules;
  }

  success(subject: Subject, value: unknown): ResultRecord | null {
    return subject.ignoresResult
      ? null
      : this.#make(subject, 'SUCCESS', value === undefined ? null : value, null);
  }

  /** A record of an exception state, with the error that was thrown. */
  thrown(subject: Subject, status: 'FAILURE' | 'RETRY', error: unknown): ResultRecord | null {
    if (!keepsExceptions(subject)) return null;
    const { exception, traceback } = encodeException(error);
    return this.#make(subject, status, exception, traceback);
  }

  /** A record of an exception state, with an error that Celery itself writes. */
  exception(
    subject: Subject,
    status: 'FAILURE' | 'RETRY' | 'REVOKED',
    error: WireException,
  ): ResultRecord | null {
    return keepsExceptions(subject) ? this.#make(subject, status, error, null) : null;
  }

  /** A record of a state before the end: STARTED, or a custom one. */
  state(subject: Subject, state: TaskState, meta: unknown): ResultRecord | null {
    return subject.ignoresResult ? null : this.#make(subject, state, meta === undefined ? null : meta, null);
  }

  /** A record of the failure of a message of which only the id could be read. */
  bareFailure(taskId: string, error: WireException): ResultRecord {
    const dateDone = new Date(this.#rules.clock.now());
    return { taskId, status: 'FAILURE', result: error, traceback: null, children: [], dateDone };
  }

  #make(
    { message, queue, children }: Subject,
    status: TaskState,
    result: unknown,
    traceback: string | null,
  ): ResultRecord {
    const { worker, extended, clock } = this.#rules;
    const record: ResultRecord = {
      taskId: message.id,
      status,
      result,
      traceback,
      children,
      dateDone: isReady(status) ? new Date(clock.now()) : null,
      groupId: message.group,
      parentId: message.parentId,
    };
    if (!extended) return record;
    const { task: name, args, kwargs, retries } = message;
    return { ...record, name, args, kwargs, worker, retries, queue };
  }
}

/**
 * Whether the result is not wanted: the message or the task says so (Celery: either is enough). Our own senders have applied the
 * task's option already, and a call may have overridden it: their message alone decides.
 */
export function ignoresResult(message: TaskMessage, taskIgnoresIt: boolean): boolean {
  return message.ignoreResult || (taskIgnoresIt && message.lang !== 'js');
}

function keepsExceptions({ ignoresResult, keepsErrors }: Subject): boolean {
  return keepsErrors || !ignoresResult;
}

/** Whether it is the record of a message that became a dead letter, not of a run that failed. */
export function isOfDeadLetter({ status, result }: ResultRecord): boolean {
  if (status !== 'FAILURE' || typeof result !== 'object' || result === null) return false;
  return deadLetterErrors.some(
    ({ exc_type, exc_module }) =>
      Reflect.get(result, 'exc_type') === exc_type && Reflect.get(result, 'exc_module') === exc_module,
  );
}

/** Whether it is the record of a run that exceeded its hard time limit. */
export function isOfTimeLimit({ result }: ResultRecord): boolean {
  return (
    typeof result === 'object' && result !== null && Reflect.get(result, 'exc_type') === 'TimeLimitExceeded'
  );
}

// Errors that Celery itself writes, in Python's form.

export function notRegistered(task: string): WireException {
  return { exc_type: 'NotRegistered', exc_message: [task], exc_module: 'celery.exceptions' };
}

export function revokedBecause(reason: 'revoked' | 'terminated' | 'expired'): WireException {
  return { exc_type: 'TaskRevokedError', exc_message: [reason], exc_module: 'celery.exceptions' };
}

export function workerLost(why: string): WireException {
  return { exc_type: 'WorkerLostError', exc_message: [why], exc_module: 'billiard.exceptions' };
}

export function rejectedBecause(reason: string): WireException {
  return { exc_type: 'Reject', exc_message: [reason, false], exc_module: 'celery.exceptions' };
}

export function undecodable(detail: string): WireException {
  return { exc_type: 'DecodeError', exc_message: [detail], exc_module: 'kombu.exceptions' };
}

const deadLetterErrors: readonly WireException[] = [
  notRegistered(''),
  workerLost(''),
  rejectedBecause(''),
  undecodable(''),
];
