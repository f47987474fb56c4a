// What happened to the tasks that this worker has: gathered for each, and written with its settlement, or a moment later if it runs long.
import { entryOf, type HistoryWriter } from '../sending/history-writer.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Decision } from './decider.ts';

/** What is told of the end of a task. */
export interface Told {
  /** The last event as JSON; null: none tells this end. */
  readonly end: string | null;
  /** What was gathered before, not written yet. */
  readonly before: readonly string[];
  /** Travels with the settlement; null: it is written after that. */
  readonly write: StoreWrite | null;
}

/** The decision with what the history is told. */
export function telling(decision: Decision, told: Told | null): Decision {
  const history = told?.write ?? null;
  return history === null ? decision : { ...decision, plan: { ...decision.plan, history } };
}

/** How long the events of a task wait for its end, milliseconds. */
const gatherMs = 200;

export class HistoryNotes {
  readonly #writer: HistoryWriter | null;
  #events = new Map<string, string[]>();
  #timer: NodeJS.Timeout | null = null;

  constructor(writer: HistoryWriter | null) {
    this.#writer = writer;
  }

  /** Whether they are written. If not, looking at this is all they cost. */
  get on(): boolean {
    return this.#writer?.on === true;
  }

  /** An event of a task, as JSON. */
  add(id: string, event: string): void {
    const events = this.#events.get(id);
    if (events === undefined) this.#events.set(id, [event]);
    else events.push(event);
    this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  /** Takes what is known of a task whose settlement is about to be written. `travels`: that can take a write along. */
  end(id: string, end: string | null, travels: boolean): Told {
    const before = this.#events.get(id) ?? [];
    this.#events.delete(id);
    const all = end === null ? before : [...before, end];
    const write = travels && all.length > 0 ? (this.#writer?.writeOf(entryOf(all)) ?? null) : null;
    return { end, before, write };
  }

  /** The settlement is written. */
  settled({ end, before, write }: Told): void {
    if (write === null) this.#append(end === null ? before : [...before, end]);
  }

  /** The settlement was not written, so this was not the end. */
  unsettled({ before }: Told): void {
    this.#append(before);
  }

  /** Hands on all events that wait. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const events = this.#events;
    this.#events = new Map();
    for (const some of events.values()) this.#append(some);
  }

  #append(events: readonly string[]): void {
    if (events.length > 0) this.#writer?.append(entryOf(events));
  }
}
