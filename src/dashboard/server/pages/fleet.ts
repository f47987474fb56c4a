// What all workers replied to some questions. Nothing here waits for them.
import type { Control } from '../../../control/control.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import { type RegisteredTask, readRegistered, signatureItem } from '../../../protocol/registered-task.ts';
import { acceptedIn } from '../../../protocol/serializers.ts';
import { Known, type KnownValue } from './known.ts';

type Question = 'stats' | 'active_queues' | 'active' | 'reserved' | 'registered' | 'conf';

interface Replies {
  readonly answers: ReadonlyMap<string, unknown>;
  readonly silent: readonly string[];
}

/** How old it is what workers told. */
export interface ToldByWorkers extends Omit<KnownValue<unknown>, 'value'> {
  /** Workers that did not reply. */
  readonly silent: readonly string[];
}

/** What each worker told; null: it is not known. */
interface Told<Value> extends ToldByWorkers {
  readonly value: ReadonlyMap<string, Value> | null;
}

const argumentsOf: Readonly<Partial<Record<Question, Json>>> = {
  active: { safe: true },
  registered: { taskinfoitems: [signatureItem] },
};
/** Settings change only when a worker starts, and their reply is long. */
const freshOf: Readonly<Partial<Record<Question, { readonly fresh: number }>>> = { conf: { fresh: 20_000 } };

/** Replies by worker. Many open pages share one request to the cluster. */
export class Fleet {
  readonly #control: Pick<Control, 'ask'>;
  readonly #known = new Map<Question, Known<Replies>>();

  constructor(control: Pick<Control, 'ask'>) {
    this.#control = control;
  }

  /** `stale`: as of `Known.look`. */
  stats(stale?: number): Told<Json> {
    return told([this.#look('stats', stale)], (replies) =>
      [...(replies?.answers ?? [])].filter((entry): entry is [string, Json] => isRecord(entry[1])),
    );
  }

  /** The names of the queues that each worker consumes. `stale`: as of `Known.look`. */
  queues(stale?: number): Told<readonly string[]> {
    return told([this.#look('active_queues', stale)], (replies) =>
      [...(replies?.answers ?? [])].map(([worker, answer]) => [worker, namesOf(answer)]),
    );
  }

  /** The tasks that each worker knows; workers of Umbel also tell what each takes. */
  registered(): Told<readonly RegisteredTask[]> {
    return told([this.#look('registered')], (replies) =>
      [...(replies?.answers ?? [])].map(([worker, answer]) => [worker, readRegistered(answer)]),
    );
  }

  /** The serializers that each worker reads. */
  accepts(): Told<readonly string[]> {
    return told([this.#look('conf')], (replies) =>
      [...(replies?.answers ?? [])].map(([worker, answer]) => [worker, acceptedIn(answer)]),
    );
  }

  /** Running and claimed messages, as Celery describes them. A message that a worker started between two replies may be listed twice. */
  held(): Told<readonly Json[]> {
    return told([this.#look('active'), this.#look('reserved')], (...both) =>
      [...new Set(both.flatMap(({ answers }) => [...answers.keys()]))].map((worker) => [
        worker,
        both.flatMap(({ answers }) => recordsOf(answers.get(worker))),
      ]),
    );
  }

  /** After an action: the replies are asked for again at the next look. */
  forget(): void {
    for (const known of this.#known.values()) known.forget();
  }

  #look(question: Question, stale?: number): KnownValue<Replies> {
    let known = this.#known.get(question);
    if (known === undefined) {
      known = new Known<Replies>(async () => {
        const asked = await this.#control.ask(question, argumentsOf[question] ?? {});
        return { answers: asked.replies, silent: asked.silent };
      }, freshOf[question]);
      this.#known.set(question, known);
    }
    return known.look(stale === undefined ? {} : { stale });
  }
}

/** Of several together: the age of the oldest, and the workers that any of them misses. */
export function toldTogether(parts: readonly ToldByWorkers[]): ToldByWorkers {
  const times = parts.flatMap(({ at }) => at ?? []);
  return {
    at: times.length < parts.length ? null : Math.min(...times),
    asking: parts.some(({ asking }) => asking),
    problem: parts.find(({ problem }) => problem !== null)?.problem ?? null,
    silent: [...new Set(parts.flatMap(({ silent }) => silent))],
  };
}

function told<Value>(
  known: readonly KnownValue<Replies>[],
  read: (...replies: Replies[]) => readonly (readonly [worker: string, value: Value])[],
): Told<Value> {
  const all = known.flatMap(({ value }) => value ?? []);
  const parts = known.map(({ value, ...rest }) => ({ ...rest, silent: value?.silent ?? [] }));
  return { ...toldTogether(parts), value: all.length < known.length ? null : new Map(read(...all)) };
}

/** The names in Celery's reply to `active_queues`. */
function namesOf(answer: unknown): readonly string[] {
  return recordsOf(answer).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
}

function recordsOf(answer: unknown): readonly Json[] {
  const list: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return list.filter(isRecord);
}
