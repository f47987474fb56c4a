// What is paused: queues that this worker leaves alone, and tasks that it defers. The store is the truth; a broadcast says when to look, and
// the worker looks now and then by itself, since the program that paused may die before it has told anybody.
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';
import type { Pause, PauseStore } from '../stores/pauses.ts';
import type { Transport } from '../stores/transport.ts';
import { Interval } from './interval.ts';
import type { Sources } from './sources.ts';

interface PausesParts {
  /** Null: no store of this application keeps pauses. */
  readonly store: PauseStore | null;
  /** As they were read before the first message was claimed. */
  readonly known: readonly Pause[];
  readonly transport: Pick<Transport, 'onStatus'>;
  readonly sources: Pick<Sources, 'pause'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the store is read, milliseconds. */
const everyMs = 10_000;

export class Pauses implements Service {
  readonly #parts: PausesParts;
  #known: readonly Pause[] = [];
  #tasks: ReadonlyMap<string, Date> = new Map();
  #reading: Promise<void> = Promise.resolve();
  readonly #interval: Interval;
  #unsubscribe: () => void = () => undefined;

  constructor(parts: PausesParts) {
    this.#parts = parts;
    this.#interval = new Interval(parts.clock, everyMs, () => this.#look());
    this.#learn(parts.known);
  }

  /** Since when tasks of this name are paused; null: they are not. Nothing is asked. */
  since(task: string): Date | null {
    return this.#tasks.get(task) ?? null;
  }

  /** Begins to look. Once now, too: what was paused since the worker read the store was broadcast before it listened. */
  async start(): Promise<void> {
    if (this.#parts.store === null) return;
    this.#unsubscribe = this.#parts.transport.onStatus(({ state }) => {
      if (state === 'connected') this.#look();
    });
    this.#look();
    await this.#interval.start();
  }

  /** Does not wait for a store that does not answer. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#interval.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Reads what is paused; resolves when it is in effect. @throws BrokerUnavailable, and what opening a consumer throws */
  async reload(): Promise<readonly Pause[]> {
    const mine = this.#reading.then(() => this.#reload());
    this.#reading = mine.catch(() => undefined);
    await mine;
    return this.#known;
  }

  #look(): void {
    this.reload().catch((error: unknown) =>
      this.#parts.logger.warn({ err: error }, `cannot read what is paused: ${String(error)}; again later`),
    );
  }

  async #reload(): Promise<void> {
    const { store, sources } = this.#parts;
    if (store === null) return;
    const now = await store.read();
    this.#learn(now);
    await sources.pause(queuesIn(now));
  }

  #learn(now: readonly Pause[]): void {
    const { logger } = this.#parts;
    const before = new Set(this.#known.map(keyOf));
    const after = new Set(now.map(keyOf));
    for (const pause of now)
      if (!before.has(keyOf(pause)))
        logger.warn(
          { paused: pause.name, by: pause.by, reason: pause.reason },
          `paused: ${described(pause)}`,
        );
    for (const pause of this.#known)
      if (!after.has(keyOf(pause))) logger.info({ resumed: pause.name }, `resumed: ${named(pause)}`);
    this.#known = now;
    const tasks = now.filter(({ kind }) => kind === 'task');
    this.#tasks = new Map(tasks.map(({ name, since }) => [name, since]));
  }
}

/** The paused queues. */
export function queuesIn(pauses: readonly Pause[]): ReadonlySet<string> {
  return new Set(pauses.filter(({ kind }) => kind === 'queue').map(({ name }) => name));
}

function keyOf({ kind, name }: Pause): string {
  return `${kind} ${name}`;
}

function named({ kind, name }: Pause): string {
  return `the ${kind} '${name}'`;
}

function described(pause: Pause): string {
  const { since, by, reason } = pause;
  return `${named(pause)} since ${since.toISOString()} by ${by}${reason === '' ? '' : `: ${reason}`}`;
}
