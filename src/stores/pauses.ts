// The contract of what is paused: queues, and kinds of tasks, of which no worker takes a message. Kept in the store of messages, or of results.

/** A queue, or all tasks of a name, that no worker of ours serves until somebody resumes it. */
export interface Pause {
  /** Whether a queue is paused, or the tasks of a name. */
  readonly kind: 'queue' | 'task';
  /** Of the queue, or of the task. */
  readonly name: string;
  /** Since when. */
  readonly since: Date;
  /** Who paused it. */
  readonly by: string;
  /** Empty: none was given. */
  readonly reason: string;
}

/** Every method throws BrokerUnavailable when the store cannot answer, and may be called again. */
export interface PauseStore {
  /** Keeps it. What is paused already keeps its time, and gets the new reason and the new name of who paused it. */
  put(pause: Pause): Promise<void>;
  remove(kind: Pause['kind'], name: string): Promise<void>;
  /** All of them, by kind and name. */
  read(): Promise<readonly Pause[]>;
}

interface KeepsPauses {
  openPauses?(): Promise<PauseStore>;
}

/** Where an application's pauses are kept: with its messages, else with its results. Null: neither can keep them. */
export async function pausesOf(stores: {
  readonly transport: KeepsPauses;
  readonly backend: KeepsPauses | null;
}): Promise<PauseStore | null> {
  return (await (stores.transport.openPauses?.() ?? stores.backend?.openPauses?.())) ?? null;
}

/** The order of {@link PauseStore.read}. */
export function byName(a: Pause, b: Pause): number {
  return a.kind === b.kind ? (a.name < b.name ? -1 : 1) : a.kind < b.kind ? -1 : 1;
}
