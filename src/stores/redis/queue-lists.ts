import { listKey } from './keys.ts';

/** A message that is ready to be pushed to a list. */
export interface AddressedMessage {
  readonly queue: string;
  readonly step: number;
  readonly stored: string;
}

/** The list of one queue and one step. */
export interface QueueList {
  readonly queue: string;
  readonly step: number;
  readonly list: string;
  /** `:step:queue`, as in the names of messages that were claimed from it. */
  readonly suffix: string;
}

/** The lists that a consumer serves, in their order. */
export class QueueLists {
  /** As in kombu's round robin, the queue that was served goes to the end. */
  readonly #queues: string[];
  readonly #steps: readonly number[];
  readonly #sources: ReadonlyMap<string, QueueList>;

  constructor(prefix: string, queues: readonly string[], steps: readonly number[]) {
    this.#queues = [...new Set(queues)];
    this.#steps = steps;
    this.#sources = new Map(
      this.#queues.flatMap((queue) =>
        steps.map((step) => {
          const suffix = `:${step}:${queue}`;
          return [suffix, { queue, step, list: listKey(prefix, queue, step), suffix }] as const;
        }),
      ),
    );
  }

  get queues(): readonly string[] {
    return this.#queues;
  }

  has({ queue, step }: { readonly queue: string; readonly step: number }): boolean {
    return this.#sources.has(`:${step}:${queue}`);
  }

  [Symbol.iterator](): Iterator<QueueList> {
    return this.#sources.values();
  }

  /** The most urgent steps first; within a step the queues take turns. */
  inTurn(): readonly QueueList[] {
    return this.#steps.flatMap((step) =>
      this.#queues.flatMap((queue) => this.#sources.get(`:${step}:${queue}`) ?? []),
    );
  }

  served(queue: string): void {
    if (this.#queues.length === 1) return;
    this.#queues.splice(this.#queues.indexOf(queue), 1);
    this.#queues.push(queue);
  }
}
