// May this message run? An ordered list of checks is asked, one file each; the first that speaks against it decides.
import type { App } from '../../app/app.ts';
import { builtinTask } from '../../app/running/builtin-tasks.ts';
import type { AnyTask } from '../../app/task.ts';
import type { Refusal, TaskMessage } from '../../protocol/message.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import type { Delivery } from '../../stores/transport.ts';
import type { Held } from '../held.ts';

/** A message that came, while it is decided on. */
export interface Candidate {
  readonly delivery: Delivery;
  readonly message: TaskMessage;
  /** The task of its name; it may live elsewhere. */
  readonly task: AnyTask | undefined;
  /** Keeps the permit of a limit. */
  readonly held: Held;
}

/** Why a message may not run, or not now. */
export type Rejection =
  | { readonly kind: 'undecodable'; readonly refusal: Refusal }
  /** It came back, and its result is recorded: what was missing was the ack. */
  | { readonly kind: 'finished'; readonly message: TaskMessage; readonly record: ResultRecord }
  | { readonly kind: 'expired'; readonly message: TaskMessage }
  /** By its id or by a stamp, or another unique task has taken its place. */
  | { readonly kind: 'revoked'; readonly message: TaskMessage }
  /** Its workers died too often. */
  | { readonly kind: 'deadly'; readonly message: TaskMessage; readonly crashes: number }
  | { readonly kind: 'early'; readonly message: TaskMessage; readonly until: Date }
  /** A limit lets it then. */
  | { readonly kind: 'limited'; readonly message: TaskMessage; readonly until: Date }
  /** Deferred until then; `null`: the grace is used up. */
  | { readonly kind: 'unknown'; readonly message: TaskMessage; readonly until: Date | null };

/**
 * Nothing is written: its lease has passed to another worker (`fenced`), or the worker stops before the store answered, and the message
 * comes back when its lease is over.
 */
export interface Abandoned {
  readonly kind: 'abandoned';
  readonly message: TaskMessage;
  readonly why: 'fenced' | 'gave-up';
}

/** Null: nothing speaks against it. A check that needs no store answers at once. */
export type AdmissionCheck = (candidate: Candidate) => Answer | Promise<Answer>;

export type Answer = Rejection | Abandoned | null;

export class Admission {
  readonly #app: App;
  readonly #checks: readonly AdmissionCheck[];

  constructor(app: App, checks: readonly AdmissionCheck[]) {
    this.#app = app;
    this.#checks = checks;
  }

  /** Its task is one of the application's, or one that every worker has. */
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
