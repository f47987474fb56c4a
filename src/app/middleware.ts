// Middleware of an application: code around each send and each run.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { suggest } from '../lib/suggest.ts';
import type { Layer } from '../lib/wrap.ts';
import type { OutgoingCall, SendLayer } from '../sending/send-layers.ts';
import type { BoundTask } from './task.ts';

/** Code around sending and running tasks: {@link App.use}. */
export interface Middleware {
  /**
   * Around each send, of one call or of many. `next` resolves when the broker has the messages. Of messages that a worker sends with the end
   * of a task, and of a streamed group, it resolves when they are ready to be sent. What it throws, the caller gets; if it throws before
   * `next`, nothing is sent. It must call `next` or throw.
   */
  readonly send?: (calls: readonly OutgoingCall[], next: () => Promise<void>) => void | PromiseLike<void>;
  /**
   * Around each run of a task's code: its schema, `beforeStart` and its body, in the process or thread that runs it. `next` resolves with
   * the task's value, or rejects with what it threw: an error, `Retry`, `Reject`, `Ignore`. What this function returns or throws is the
   * task's end. Without `next` the task's code does not run.
   */
  readonly run?: (task: BoundTask, next: () => Promise<unknown>) => unknown;
  /** Fields of each line that a task logs, as the id of its trace. Called for each line, in the task's asynchronous context. */
  readonly logFields?: () => object;
}

/** The layers of an application. A kind without layers is null: most applications have none, and pay nothing. */
export class MiddlewareLayers {
  #send: readonly SendLayer[] | null = null;
  #run: readonly Layer<BoundTask, unknown>[] | null = null;
  readonly #logFields: (() => object)[] = [];

  get send(): readonly SendLayer[] | null {
    return this.#send;
  }

  get run(): readonly Layer<BoundTask, unknown>[] | null {
    return this.#run;
  }

  /** The fields of all layers. */
  logFields(): object {
    return Object.assign({}, ...this.#logFields.map((fields) => fields()));
  }

  /** @throws ConfigError, UnknownOptionError */
  add(middleware: Middleware): void {
    const { send, run, logFields } = checked(middleware);
    if (send !== undefined) this.#send = [...(this.#send ?? []), send];
    if (run !== undefined) this.#run = [...(this.#run ?? []), run];
    if (logFields !== undefined) this.#logFields.push(logFields);
  }
}

const kinds = ['send', 'run', 'logFields'];

function checked(middleware: Middleware): Middleware {
  const where = 'app.use()';
  if (typeof middleware !== 'object' || middleware === null)
    throw new ConfigError(`${where} takes an object with send, run or logFields`);
  for (const [name, layer] of Object.entries(middleware)) {
    if (!kinds.includes(name)) throw new UnknownOptionError(name, where, suggest(name, kinds));
    if (layer !== undefined && typeof layer !== 'function')
      throw new ConfigError(`'${name}' in ${where} is no function`);
  }
  return middleware;
}
