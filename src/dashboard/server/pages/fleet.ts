// The replies of all workers to some questions, cached for a few seconds.
import type { Control } from '../../../control/control.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';

/** Older replies are still shown, but requested again; milliseconds. */
const freshMs = 5_000;
/** Older replies are not shown; milliseconds. */
const staleMs = 30_000;

type Question = 'stats' | 'active_queues' | 'active' | 'reserved' | 'registered';

interface Asked {
  readonly at: number;
  readonly answers: ReadonlyMap<string, unknown>;
  readonly silent: readonly string[];
}

/** The messages that each worker holds, as Celery describes them. */
interface HeldMessages {
  readonly byWorker: ReadonlyMap<string, readonly Json[]>;
  /** Workers that did not reply. */
  readonly silent: readonly string[];
}

/** The tasks that each worker knows. */
interface RegisteredNames {
  readonly byWorker: ReadonlyMap<string, readonly string[]>;
  /** Workers that did not reply. */
  readonly silent: readonly string[];
}

/** Replies by worker. Many open pages share one request to the cluster. */
export class Fleet {
  readonly #control: Pick<Control, 'ask'>;
  readonly #asked = new Map<Question, Asked>();
  readonly #asking = new Map<Question, Promise<Asked>>();
  /** The errors of the last requests that failed. */
  readonly #problems = new Map<Question, unknown>();

  constructor(control: Pick<Control, 'ask'>) {
    this.#control = control;
  }

  /** @throws BrokerUnavailable */
  async stats(): Promise<ReadonlyMap<string, Json>> {
    return statsIn(await this.#ask('stats'));
  }

  /** Does not wait for the workers: null while they are asked for the first time. @throws BrokerUnavailable, of the last request */
  async knownStats(): Promise<ReadonlyMap<string, Json> | null> {
    const known = this.#known('stats');
    return known && statsIn(known);
  }

  /** The queues that each worker consumes. @throws BrokerUnavailable */
  async queues(): Promise<ReadonlyMap<string, readonly string[]>> {
    return queuesIn(await this.#ask('active_queues'));
  }

  /** As `knownStats`, of `queues`. @throws BrokerUnavailable, of the last request */
  async knownQueues(): Promise<ReadonlyMap<string, readonly string[]> | null> {
    const known = this.#known('active_queues');
    return known && queuesIn(known);
  }

  /** The names of the tasks that each worker knows. @throws BrokerUnavailable */
  async registered(): Promise<RegisteredNames> {
    const { answers, silent } = await this.#ask('registered');
    const namesIn = (answer: unknown): readonly string[] =>
      Array.isArray(answer) ? answer.map((each) => String(each).split(' ', 1)[0] ?? '') : [];
    return { byWorker: new Map([...answers].map(([worker, answer]) => [worker, namesIn(answer)])), silent };
  }

  /** Running and claimed messages; a message that a worker started between two replies may be listed twice. @throws BrokerUnavailable */
  async held(): Promise<HeldMessages> {
    const asked = await Promise.all([this.#ask('active'), this.#ask('reserved')]);
    const byWorker = new Map<string, Json[]>();
    for (const { answers } of asked)
      for (const [worker, answer] of answers)
        byWorker.set(worker, [...(byWorker.get(worker) ?? []), ...recordsOf(answer)]);
    return { byWorker, silent: [...new Set(asked.flatMap(({ silent }) => silent))] };
  }

  /** Drops the cached replies. */
  forget(): void {
    this.#asked.clear();
  }

  /** Returns cached replies at once, and requests new ones if they are old. */
  async #ask(question: Question): Promise<Asked> {
    const known = this.#asked.get(question);
    if (known !== undefined && Date.now() - known.at < freshMs) return known;
    const asking = this.#asking.get(question) ?? this.#askNow(question);
    if (known === undefined || Date.now() - known.at > staleMs) return asking;
    asking.catch(() => this.#asked.delete(question));
    return known;
  }

  #known(question: Question): Asked | null {
    const known = this.#asked.get(question);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : Date.now() - known.at;
    if (ageMs >= freshMs && !this.#asking.has(question))
      this.#askNow(question).catch(() => this.#asked.delete(question));
    if (known !== undefined && ageMs <= staleMs) return known;
    if (this.#problems.has(question)) throw this.#problems.get(question);
    return null;
  }

  #askNow(question: Question): Promise<Asked> {
    const asking = this.#control
      .ask(question, question === 'active' ? { safe: true } : {})
      .then(({ replies, silent }) => {
        const asked = { at: Date.now(), answers: replies, silent };
        this.#asked.set(question, asked);
        this.#problems.delete(question);
        return asked;
      })
      .catch((error: unknown) => {
        this.#problems.set(question, error);
        throw error;
      })
      .finally(() => this.#asking.delete(question));
    this.#asking.set(question, asking);
    return asking;
  }
}

function statsIn({ answers }: Asked): ReadonlyMap<string, Json> {
  return new Map([...answers].filter((entry): entry is [string, Json] => isRecord(entry[1])));
}

function queuesIn({ answers }: Asked): ReadonlyMap<string, readonly string[]> {
  return new Map([...answers].map(([worker, answer]) => [worker, namesOf(answer)]));
}

/** The names in Celery's reply to `active_queues`. */
function namesOf(answer: unknown): readonly string[] {
  return recordsOf(answer).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
}

function recordsOf(answer: unknown): readonly Json[] {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return list.filter(isRecord);
}
