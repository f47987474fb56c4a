import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Rejection } from './admission/admission.ts';
import type { ExecutionOutcome } from './outcome.ts';
import { OncePerMinute } from './unknown-task.ts';

/** The worker's log lines about tasks: Celery's sentences, with the facts as fields. A line below the log level is not made. */
export class TaskLog {
  readonly #logger: Logger;
  readonly #mentioned = new OncePerMinute();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  received(message: TaskMessage): void {
    if (this.#says('info')) this.#log(message, { level: 'info', text: `${title(message)} received` });
  }

  /** `early`: it was acknowledged before it ran. */
  ended(
    message: TaskMessage,
    outcome: ExecutionOutcome,
    runtimeMs: number,
    now: number,
    early: boolean,
  ): void {
    if (outcome.kind === 'success' && !this.#says('info')) return;
    this.#log(message, lineOfOutcome(message, outcome, Math.round(runtimeMs) / 1000, now, early));
  }

  /** A run, or a rejection, that could not be settled. */
  unsettled(message: TaskMessage, how: 'fenced' | 'gave-up'): void {
    const text =
      how === 'fenced'
        ? 'the lease has passed to another worker; what was done here does not count'
        : 'the worker stops, and the store refuses to take its end: it will run again';
    this.#log(message, { level: how === 'fenced' ? 'warn' : 'error', text: `${title(message)}: ${text}` });
  }

  notRun(delivery: Delivery, rejection: Rejection, now: number): void {
    if (rejection.kind === 'undecodable') {
      const { reason, detail } = rejection.refusal;
      const about = { queue: delivery.queue, bytes: delivery.raw.length, reason };
      this.#logger.error(
        about,
        `a message in '${delivery.queue}' cannot be decoded (${detail}): moved to the dead letters`,
      );
    } else {
      const line = lineOfRejection(rejection);
      // Many messages of one unknown name are logged once.
      const name = `${rejection.message.task} ${line.level}`;
      if (rejection.kind !== 'unknown' || this.#mentioned.allows(name, now))
        this.#log(rejection.message, line);
    }
  }

  #says(level: string): boolean {
    return this.#logger.isLevelEnabled?.(level) ?? true;
  }

  #log(message: TaskMessage, { level, text, more }: Line): void {
    this.#logger[level]({ task_id: message.id, task_name: message.task, ...more }, text);
  }
}

interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly text: string;
  readonly more?: object;
}

/** `runtime`: seconds. */
function lineOfOutcome(
  message: TaskMessage,
  outcome: ExecutionOutcome,
  runtime: number,
  now: number,
  early: boolean,
): Line {
  const task = title(message);
  switch (outcome.kind) {
    case 'success':
      return { level: 'info', text: `${task} succeeded in ${runtime}s`, more: { runtime } };
    case 'failure': {
      const { error, expected } = outcome;
      const text = `${task} ${expected ? 'raised expected' : 'failed'} in ${runtime}s: ${error.name}: ${error.message}`;
      return { level: expected ? 'info' : 'error', text, more: { runtime, err: error } };
    }
    case 'retry': {
      const seconds = Math.max(0, Math.round(outcome.retry.at.getTime() - now) / 1000);
      const text = `${task} retry: Retry in ${seconds}s: ${outcome.retry.message}`;
      return { level: 'info', text, more: { runtime, retries: message.retries } };
    }
    case 'ignored':
      return { level: 'info', text: `${task} ignored`, more: { runtime } };
    case 'replaced': {
      const text = `${task} replaced by ${outcome.signature.task} in ${runtime}s`;
      return { level: 'info', text, more: { runtime } };
    }
    case 'rejected': {
      const then = outcome.requeue
        ? 'its message goes back to the queue'
        : early
          ? 'it has failed; its message is gone, since it was acknowledged before it ran'
          : 'its message goes to the dead letters';
      return { level: 'warn', text: `${task} rejected: ${outcome.reason}; ${then}`, more: { runtime } };
    }
    case 'revoked':
      return { level: 'warn', text: `${task} was revoked and ended after ${runtime}s`, more: { runtime } };
    case 'abandoned': {
      const what = outcome.final === true ? 'has failed' : 'given back';
      return { level: 'warn', text: `${task} ${what}: the worker shuts down`, more: { runtime } };
    }
    case 'overran': {
      const text = `${task} exceeded its time limit of ${outcome.seconds}s; it will run again`;
      return { level: 'error', text, more: { runtime } };
    }
    case 'lost': {
      const then = outcome.final === true ? 'it has failed' : 'it will run again';
      const text = `${task}: the process that ran it died (${outcome.reason}) after ${runtime}s; ${then}`;
      return { level: 'error', text, more: { runtime } };
    }
  }
}

function lineOfRejection(rejection: Exclude<Rejection, { kind: 'undecodable' }>): Line {
  const task = title(rejection.message);
  switch (rejection.kind) {
    case 'finished':
      return { level: 'info', text: `${task} came back, but its result is recorded: not run again` };
    case 'early':
      return { level: 'debug', text: `${task} is not due: back until ${rejection.until.toISOString()}` };
    case 'revoked':
      return { level: 'info', text: `${task} was revoked: not run` };
    case 'expired':
      return {
        level: 'info',
        text: `${task} expired: not run`,
        more: { expires: rejection.message.expires },
      };
    case 'paused':
      return { level: 'debug', text: `${task} is paused: back until ${rejection.until.toISOString()}` };
    case 'limited':
      return {
        level: 'debug',
        text: `${task} waits for its limit: until ${rejection.until.toISOString()}`,
      };
    case 'deadly': {
      const { crashes } = rejection;
      return {
        level: 'error',
        text: `${task} was held by ${crashes} workers that died: moved to the dead letters`,
        more: { crashes },
      };
    }
    case 'unknown': {
      const problem = `no task named '${rejection.message.task}' is known to this worker`;
      if (rejection.until === null) return { level: 'error', text: `${problem}: moved to the dead letters` };
      return {
        level: 'warn',
        text: `${problem}: deferred, so that a newer worker may take it`,
        more: { until: rejection.until },
      };
    }
  }
}

function title(message: TaskMessage): string {
  return `Task ${message.shadow ?? message.task}[${message.id}]`;
}
