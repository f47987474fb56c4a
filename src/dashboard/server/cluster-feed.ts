// Hears what happens in the cluster: keeps the history, and the state of now.
import type { App } from '../../app/app.ts';
import { ClusterState } from '../../events/cluster-state.ts';
import { systemClock } from '../../lib/clock.ts';
import { deferred } from '../../lib/deferred.ts';
import { retrying } from '../../lib/retry.ts';
import type { Service } from '../../lib/service.ts';
import type { WireEvent } from '../../protocol/event.ts';
import { Recorder } from '../../recorder/recorder.ts';
import type { DashboardSettings } from './options.ts';

type ClusterFeedOptions = Pick<DashboardSettings, 'logger' | 'enableEvents' | 'maxTasks' | 'maxWorkers'>;

/** The size of all tasks in memory together, bytes. */
const maxBytes = 128 * 2 ** 20;

/** One subscription to the events, the recorder's, for all who want them. A broker that is away is waited for. */
export class ClusterFeed implements Service {
  readonly cluster: ClusterState;
  readonly #app: App;
  readonly #options: ClusterFeedOptions;
  readonly #listeners = new Set<(event: WireEvent) => void>();
  readonly #stopping = new AbortController();
  readonly #tried = deferred<void>();
  #recorder: Recorder | null = null;
  #running: Promise<unknown> | null = null;

  constructor(app: App, options: ClusterFeedOptions) {
    this.#app = app;
    this.#options = options;
    const { maxTasks, maxWorkers } = options;
    this.cluster = new ClusterState({ maxTasks, maxWorkers, maxBytes });
  }

  /** Begins to listen; resolves at once. */
  start(): Promise<void> {
    this.#running ??= this.#listen();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#tried.resolve();
    await this.#recorder?.stop();
    this.#recorder = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  onEvent(listener: (event: WireEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when it listens, or when it could not the first time. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  async flush(): Promise<void> {
    await this.#recorder?.flush();
  }

  /** A recorder that could not start is done: each attempt has its own. */
  async #listen(): Promise<void> {
    const { logger, enableEvents } = this.#options;
    await retrying(
      async () => {
        const recorder = new Recorder(this.#app, {
          logger,
          enable: enableEvents,
          onEvent: (event) => this.#hear(event),
        });
        try {
          await recorder.start();
        } catch (error) {
          await recorder.stop();
          throw error;
        }
        this.#recorder = recorder;
        this.#tried.resolve();
      },
      {
        policy: { factor: 500, maximum: 10_000, jitter: false },
        clock: systemClock,
        signal: this.#stopping.signal,
        log: (error, pauseMs) => {
          this.#tried.resolve();
          logger.warn(
            { err: error },
            `no events of the cluster are heard yet; next attempt in ${pauseMs / 1000} s: ${error}`,
          );
        },
      },
    );
  }

  #hear(event: WireEvent): void {
    this.cluster.add(event);
    for (const listener of this.#listeners) listener(event);
  }
}
