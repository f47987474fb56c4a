// Whether a message may run: an ordered list of checks, one file each. The first check that objects decides.
import type { App } from '../../app/app.ts';
import { builtinTask } from '../../app/running/builtin-tasks.ts';
import type { AnyTask } from '../../app/task.ts';
import type { Refusal, TaskMessage } from '../../protocol/message.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import type { Delivery } from '../../stores/transport.ts';
import type { Held } from '../held.ts';

/** A message that is being decided on. */
export interface Candidate {
  readonly delivery: Delivery;
  readonly message: TaskMessage;
  /** The task of this name; it may be a remote task. */
  readonly task: AnyTask | undefined;
  /** Holds the permit of a limit. */
  readonly held: Held;
}

/** Why a message may not run, or not now. */
export type Rejection =
  | { readonly kind: 'undecodable'; readonly refusal: Refusal }
  /** It came back, and its result is recorded: only its acknowledgement was missing. */
  | { readonly kind: 'finished'; readonly message: TaskMessage; readonly record: ResultRecord }
  | { readonly kind: 'expired'; readonly message: TaskMessage }
  /** Revoked by its id, its workflow or a stamp; or another unique task has replaced it. */
  | { readonly kind: 'revoked'; readonly message: TaskMessage }
  /** Too many workers died while they held it. */
  | { readonly kind: 'deadly'; readonly message: TaskMessage; readonly crashes: number }
  | { readonly kind: 'early'; readonly message: TaskMessage; readonly until: Date }
  /** Its task is paused. */
  | { readonly kind: 'paused'; readonly message: TaskMessage; readonly until: Date }
  /** A limit lets it run then. */
  | { readonly kind: 'limited'; readonly message: TaskMessage; readonly until: Date }
  /** Deferred until then; `null`: the grace period is used up. */
  | { readonly kind: 'unknown'; readonly message: TaskMessage; readonly until: Date | null };

/**
 * Nothing is written. `fenced`: its lease has passed to another worker. `gave-up`: the worker stops before the store answered, and the message
 * comes back when its lease ends.
 */
export interface Abandoned {
  readonly kind: 'abandoned';
  readonly message: TaskMessage;
  readonly why: 'fenced' | 'gave-up';
}

/** Null: no objection. A check that needs no store returns without a promise. */
export type AdmissionCheck = (candidate: Candidate) => Answer | Promise<Answer>;

export type Answer = Rejection | Abandoned | null;

export class Admission {
  readonly #app: App;
  readonly #checks: readonly AdmissionCheck[];

  constructor(app: App, checks: readonly AdmissionCheck[]) {
    this.#app = app;
    this.#checks = checks;
  }

  /** The candidate, with its task: one of the application's, or a built-in one. */
  candidate(delivery: Delivery, message: TaskMessage, held: Held): Candidate {
    const task = this.#app.tasks.get(message.task) ?? builtinTask(this.#app, message.task);
    return { delivery, message, task, held };
  }

  /** Null: it may run. */
  async admit(candidate: Candidate): Promise<Answer> {
    for (const check of this.#checks) {
      const asked = check(candidate);
      const answer = asked instanceof Promise ? await asked : asked;
      if (answer !== null) return answer;
    }
    return null;
  }
}
