// Receives the events of the cluster: records the history, and holds the current state.
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

/** Maximum size of all tasks in memory, bytes. */
const maxBytes = 128 * 2 ** 20;

/** Shares the recorder's subscription with all listeners. If the broker is unavailable, it tries again. */
export class ClusterFeed implements Service {
  readonly cluster: ClusterState;
  readonly #app: App;
  readonly #options: ClusterFeedOptions;
  readonly #listeners = new Set<(event: WireEvent) => void>();
  readonly #stopping = new AbortController();
  readonly #firstAttempt = deferred<void>();
  #recorder: Recorder | null = null;
  #running: Promise<unknown> | null = null;

  constructor(app: App, options: ClusterFeedOptions) {
    this.#app = app;
    this.#options = options;
    const { maxTasks, maxWorkers } = options;
    this.cluster = new ClusterState({ maxTasks, maxWorkers, maxBytes });
  }

  /** Resolves at once, before events are received. */
  start(): Promise<void> {
    this.#running ??= this.#listen();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#firstAttempt.resolve();
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

  /** Resolves when the first attempt to subscribe has succeeded or failed. */
  get firstAttempt(): Promise<void> {
    return this.#firstAttempt.promise;
  }

  async flush(): Promise<void> {
    await this.#recorder?.flush();
  }

  /** A recorder whose start failed cannot be started again, so each attempt creates one. */
  async #listen(): Promise<void> {
    const { logger, enableEvents } = this.#options;
    await retrying(
      async () => {
        const recorder = new Recorder(this.#app, {
          logger,
          enable: enableEvents,
          onEvent: (event) => this.#receive(event),
        });
        try {
          await recorder.start();
        } catch (error) {
          await recorder.stop();
          throw error;
        }
        this.#recorder = recorder;
        this.#firstAttempt.resolve();
      },
      {
        policy: { factor: 500, maximum: 10_000, jitter: false },
        clock: systemClock,
        signal: this.#stopping.signal,
        log: (error, pauseMs) => {
          this.#firstAttempt.resolve();
          logger.warn(
            { err: error },
            `cannot receive the cluster's events yet; next attempt in ${pauseMs / 1000} s: ${error}`,
          );
        },
      },
    );
  }

  #receive(event: WireEvent): void {
    this.cluster.add(withoutTexts(event));
    for (const listener of this.#listeners) listener(event);
  }
}

/** The history has the arguments, results and errors. In memory, those of 100,000 tasks would take more than all other facts about them. */
function withoutTexts({ args, kwargs, result, exception, traceback, umbel, ...rest }: WireEvent): WireEvent {
  return rest;
}
