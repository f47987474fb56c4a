// Hears what happens in the cluster: keeps the history, and the state of now.
import type { App } from '../../app/app.ts';
import { ClusterState } from '../../events/cluster-state.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { retrying } from '../../lib/retry.ts';
import type { Service } from '../../lib/service.ts';
import type { WireEvent } from '../../protocol/event.ts';
import { Recorder } from '../../recorder/recorder.ts';

interface ClusterFeedOptions {
  readonly logger: Logger;
  /** Ask workers, again and again, to tell of their tasks. */
  readonly enableEvents: boolean;
}

/** One subscription to the events, the recorder's, for all who want them. A broker that is away is waited for. */
export class ClusterFeed implements Service {
  readonly cluster = new ClusterState({ maxTasks: 100_000 });
  readonly #app: App;
  readonly #options: ClusterFeedOptions;
  readonly #listeners = new Set<(event: WireEvent) => void>();
  readonly #stopping = new AbortController();
  #recorder: Recorder | null = null;
  #running: Promise<unknown> | null = null;

  constructor(app: App, options: ClusterFeedOptions) {
    this.#app = app;
    this.#options = options;
  }

  /** Begins to listen; resolves at once. */
  start(): Promise<void> {
    this.#running ??= this.#listen();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
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
      },
      {
        policy: { factor: 500, maximum: 10_000, jitter: false },
        clock: systemClock,
        signal: this.#stopping.signal,
        log: (error, pauseMs) =>
          logger.warn(
            { err: error },
            `no events of the cluster are heard yet; next attempt in ${pauseMs / 1000} s: ${error}`,
          ),
      },
    );
  }

  #hear(event: WireEvent): void {
    this.cluster.add(event);
    for (const listener of this.#listeners) listener(event);
  }
}
