// The replies of all workers to some questions, cached for a few seconds.
import type { Control } from '../../../control/control.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';

/** Older replies are still shown, but requested again; milliseconds. */
const freshMs = 5_000;
/** Older replies are not shown; milliseconds. */
const staleMs = 30_000;

type Question = 'stats' | 'active_queues';

interface Asked {
  readonly at: number;
  readonly answers: ReadonlyMap<string, unknown>;
}

/** Replies by worker. Many open pages share one request to the cluster. */
export class Fleet {
  readonly #control: Control;
  readonly #asked = new Map<Question, Asked>();
  readonly #asking = new Map<Question, Promise<Asked>>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** @throws BrokerUnavailable */
  async stats(): Promise<ReadonlyMap<string, Json>> {
    return new Map(
      [...(await this.#ask('stats'))].filter((entry): entry is [string, Json] => isRecord(entry[1])),
    );
  }

  /** The queues that each worker consumes. @throws BrokerUnavailable */
  async queues(): Promise<ReadonlyMap<string, readonly string[]>> {
    const answers = await this.#ask('active_queues');
    return new Map([...answers].map(([worker, answer]) => [worker, namesOf(answer)]));
  }

  /** Drops the cached replies. */
  forget(): void {
    this.#asked.clear();
  }

  /** Returns cached replies at once, and requests new ones if they are old. */
  async #ask(question: Question): Promise<ReadonlyMap<string, unknown>> {
    const known = this.#asked.get(question);
    if (known !== undefined && Date.now() - known.at < freshMs) return known.answers;
    const asking = this.#asking.get(question) ?? this.#askNow(question);
    if (known === undefined || Date.now() - known.at > staleMs) return (await asking).answers;
    asking.catch(() => this.#asked.delete(question));
    return known.answers;
  }

  #askNow(question: Question): Promise<Asked> {
    const asking = this.#control
      .ask(question)
      .then(({ replies }) => {
        const asked = { at: Date.now(), answers: replies };
        this.#asked.set(question, asked);
        return asked;
      })
      .finally(() => this.#asking.delete(question));
    this.#asking.set(question, asking);
    return asking;
  }
}

/** The names in Celery's reply to `active_queues`. */
function namesOf(answer: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return list.flatMap((queue) => (isRecord(queue) && typeof queue.name === 'string' ? [queue.name] : []));
}
