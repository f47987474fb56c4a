// What happened to the tasks that this worker has: gathered for each, and written with its settlement, or a moment later if it runs long.
import { entryOf, type HistoryWriter } from '../sending/history-writer.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Decision } from './decider.ts';

/** What is told of the end of a task. */
export interface Told {
  /** The last event as JSON; null: none tells this end. */
  readonly end: string | null;
  /** The last event is for the history alone. */
  readonly isBrief: boolean;
  /** What was gathered before, not written yet, as JSON with commas; empty: nothing. */
  readonly before: string;
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
  #events = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(writer: HistoryWriter | null) {
    this.#writer = writer;
  }

  /** Whether they are written. If not, looking at this is all they cost. */
  get on(): boolean {
    return this.#writer?.on === true;
  }

  /** Whether events of this task wait: the next one will follow them in the same entry. */
  holds(id: string): boolean {
    return this.#events.has(id);
  }

  /** An event of a task, as JSON. */
  add(id: string, event: string): void {
    this.#events.set(id, joined(this.#events.get(id) ?? '', event));
    this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  /** Takes what is known of a task whose settlement is about to be written. `travels`: that can take a write along. */
  end(
    id: string,
    end: string | null,
    { isBrief, travels }: { readonly isBrief: boolean; readonly travels: boolean },
  ): Told {
    const before = this.#events.get(id) ?? '';
    this.#events.delete(id);
    const all = joined(before, end ?? '');
    const write = travels && all !== '' ? (this.#writer?.writeOf(entryOf(all)) ?? null) : null;
    return { end, isBrief, before, write };
  }

  /** The settlement is written. */
  settled({ end, before, write }: Told): void {
    if (write === null) this.#append(joined(before, end ?? ''));
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

  #append(events: string): void {
    if (events !== '') this.#writer?.append(entryOf(events));
  }
}

function joined(before: string, event: string): string {
  return before === '' || event === '' ? before + event : `${before},${event}`;
}
