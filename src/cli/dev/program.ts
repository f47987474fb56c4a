// One of the programs of `umbel dev`: started, started again when the code changes or when it dies, and stopped.
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import type { Loaded, News } from '../parent.ts';
import { exitCode } from '../usage.ts';
import type { DevChild, Launch } from './child.ts';
import type { StartCommand } from './programs.ts';

interface ProgramEvents {
  line(text: string): void;
  loaded(news: Loaded): void;
  ready(url: string | undefined): void;
  /** It ended during its start for a reason that only a change takes away. It is not started again before. */
  refused(code: number | null): void;
  /** A program of the user's has done what it was to do. It is not started again before a change. */
  done(): void;
  /** It ended by itself, and is started again after this time. */
  died(how: string, againMs: number): void;
  /** It did not stop within this time, and is killed. */
  killed(afterMs: number): void;
}

interface ProgramOptions {
  readonly start: StartCommand;
  readonly launch: Launch;
  /** How long it may take to stop, milliseconds. */
  readonly stopMs: number;
  readonly clock: Clock;
}

const restarts = { factor: 1000, maximum: 30_000, jitter: false } as const;
/** After this time a program is taken for well, milliseconds: if it dies then, it is for another reason than before. */
const wellMs = 10_000;
/** How long it may take to stop at once, milliseconds. */
const hurryMs = 3000;

export class Program {
  readonly #options: ProgramOptions;
  readonly #events: ProgramEvents;
  #child: DevChild | null = null;
  #state: 'starting' | 'loaded' | 'ready' | 'stopping' = 'starting';
  #startedMs = 0;
  #deaths = 0;
  #isDone = false;
  #url: string | undefined;
  /** Set from `stop()` on. */
  #gone: Deferred<void> | null = null;
  /** Ends what is waited for: a restart, or the end of a process that was asked to stop. */
  #waiting = new AbortController();

  constructor(options: ProgramOptions, events: ProgramEvents) {
    this.#options = options;
    this.#events = events;
  }

  get isReady(): boolean {
    return this.#isDone || (this.#child !== null && this.#state === 'ready');
  }

  /** Starts it. If it runs, it is asked to stop first: it finishes what it does, or gives it back. */
  restart(): void {
    if (this.#gone !== null) return;
    this.#deaths = 0;
    if (this.#child === null) this.#start();
    else this.#askToStop(this.#child);
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#gone ??= deferred();
    if (this.#child === null) this.#waiting.abort();
    else this.#askToStop(this.#child);
    if (this.#child !== null) await this.#gone.promise;
  }

  /** It gives back at once what it does. To be called after `stop()`. */
  hurry(): void {
    this.#child?.signal('SIGQUIT');
    if (this.#child !== null) this.#killAfter(hurryMs, this.#child);
  }

  #start(): void {
    this.#waiting.abort();
    this.#state = 'starting';
    this.#isDone = false;
    this.#startedMs = this.#options.clock.monotonic();
    const { start, launch } = this.#options;
    this.#child = launch(typeof start === 'string' ? start : start(this.#url), {
      line: this.#events.line,
      news: (news) => this.#heard(news),
      ended: (code, signal) => this.#ended(code, signal),
    });
    if (typeof start === 'string') this.#heard({ kind: 'ready' }); // it tells nothing
  }

  #heard(news: News): void {
    if (this.#state === 'stopping') return;
    this.#state = news.kind;
    if (news.kind === 'loaded') this.#events.loaded(news);
    else {
      this.#url = news.url;
      this.#events.ready(news.url);
    }
  }

  #askToStop(child: DevChild): void {
    if (this.#state === 'stopping') return; // a second signal would not let it finish
    this.#state = 'stopping';
    child.signal('SIGTERM');
    this.#killAfter(this.#options.stopMs, child);
  }

  #killAfter(ms: number, child: DevChild): void {
    this.#wait(ms, () => {
      this.#events.killed(ms);
      child.kill();
    });
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const started = this.#state;
    this.#child = null;
    this.#waiting.abort();
    if (this.#gone !== null) this.#gone.resolve();
    else if (started === 'stopping') this.#start();
    else if (typeof this.#options.start === 'string' && code === 0) {
      this.#isDone = true;
      this.#events.done();
    } else if (started === 'starting' ? code !== null : started === 'loaded' && code === exitCode.usage)
      this.#events.refused(code);
    else this.#startLater(signal ?? `exit code ${code}`);
  }

  #startLater(how: string): void {
    if (this.#options.clock.monotonic() - this.#startedMs >= wellMs) this.#deaths = 0;
    const againMs = backoffDelay(restarts, this.#deaths++);
    this.#events.died(how, againMs);
    this.#wait(againMs, () => this.#start());
  }

  #wait(ms: number, then: () => void): void {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#options.clock.sleep(ms, this.#waiting.signal).then(then, () => undefined);
  }
}
