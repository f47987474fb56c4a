// Keeps the programs of `umbel dev`. The worker goes first: it shows whether the application loads, and only then the others are started, or
// started again. So a mistake in the code is one error and not four, and gateway and dashboard go on with the code before.
import type { Clock } from '../../lib/clock.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import { counted } from '../output.ts';
import type { Loaded } from '../parent.ts';
import { exitCode } from '../usage.ts';
import type { Launch } from './child.ts';
import type { DevLog } from './log.ts';
import { Program } from './program.ts';
import type { StartCommand } from './programs.ts';

interface SupervisorOptions {
  /** The worker is the first. */
  readonly programs: ReadonlyMap<string, StartCommand>;
  readonly launch: Launch;
  readonly log: DevLog;
  /** How long a program may take to stop before it is killed, milliseconds. */
  readonly stopMs: number;
  /** Whether changes of the code are seen. */
  readonly watches: boolean;
  readonly clock: Clock;
}

export class Supervisor {
  /** Resolves with the exit code, after `stop()` or when there is nothing that could be done. */
  readonly ended: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #programs = new Map<string, Program>();
  readonly #urls = new Map<string, string>();
  readonly #end: Deferred<number> = deferred();
  /** The programs beside the worker still have the code from before. */
  #isStale = true;
  /** What was last told of the application; null: it has not loaded yet. */
  #facts: string | null = null;
  #isStopping = false;
  /** When the start began, or the change came, which is not yet told to be over; null: it is over. */
  #sinceMs: number | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
    const { launch, stopMs, clock, log } = options;
    for (const [name, start] of options.programs) {
      const events = {
        line: (text: string) => log.line(name, text),
        loaded: (news: Loaded) => this.#loaded(name, news),
        ready: (url: string | undefined) => this.#ready(name, url),
        refused: (code: number | null) => this.#refused(name, code),
        done: () => log.say(`${name} has ended (exit code 0): it is started again after a change`),
        died: (how: string, againMs: number) =>
          log.say(`${name} ended by itself (${how}); it is started again in ${againMs / 1000} s`),
        killed: (afterMs: number) =>
          log.say(`${name} has not stopped after ${afterMs / 1000} s: it is killed`),
      };
      this.#programs.set(name, new Program({ start, launch, stopMs, clock }, events));
    }
  }

  start(): void {
    this.#sinceMs = this.#options.clock.monotonic();
    this.#worker?.restart();
  }

  /** Starts all programs again, which load the code that changed. */
  codeChanged(files: readonly string[]): void {
    if (this.#isStopping) return;
    const more = files.length > 1 ? ` and ${counted(files.length - 1, 'file')} more` : '';
    this.#options.log.say(`${files[0]}${more} changed: starting again`);
    this.#sinceMs = this.#options.clock.monotonic();
    this.#isStale = true;
    this.#worker?.restart();
  }

  /** Running tasks are finished, or given back. */
  async stop(code: number = exitCode.ok): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await Promise.all([...this.#programs.values()].map((program) => program.stop()));
    this.#end.resolve(code);
  }

  /** To be called during `stop()`: running tasks are given back. */
  hurry(): void {
    for (const program of this.#programs.values()) program.hurry();
  }

  get #worker(): Program | undefined {
    return this.#programs.get('worker');
  }

  #loaded(name: string, { app, broker, tasks }: Loaded): void {
    if (name !== 'worker' || this.#isStopping) return;
    const facts = `${app} on ${broker}: ${counted(tasks, 'task')}`;
    if (facts !== this.#facts) this.#options.log.say(facts);
    this.#facts = facts;
    if (!this.#isStale) return; // it had died; the code is the same
    this.#isStale = false;
    for (const program of this.#programs.values()) if (program !== this.#worker) program.restart();
  }

  #ready(name: string, url: string | undefined): void {
    if (this.#isStopping) return;
    if (url !== undefined && this.#urls.get(name) !== url) {
      this.#urls.set(name, url);
      this.#options.log.say(`${name} on ${url}${name === 'gateway' ? `, API docs ${url}/docs` : ''}`);
    }
    const since = this.#sinceMs;
    if (since === null || this.#isStale) return;
    if (![...this.#programs.values()].every((program) => program.isReady)) return;
    this.#sinceMs = null;
    const seconds = ((this.#options.clock.monotonic() - since) / 1000).toFixed(1);
    this.#options.log.say(`ready after ${seconds} s. Ctrl-C stops it`);
  }

  #refused(name: string, code: number | null): void {
    const { log, watches } = this.#options;
    // Wrong from the first, and a matter of the command line or the settings.
    const isHopeless = this.#facts === null && code === exitCode.usage;
    if (name === 'worker' && (isHopeless || !watches)) {
      void this.stop(code ?? exitCode.failed);
      return;
    }
    const others = [...this.#programs].filter(([, program]) => program.isReady).map(([other]) => other);
    const goOn = others.length > 0 && name === 'worker' ? `; ${inWords(others)} with the code before` : '';
    log.say(`${name} did not start: waiting for a change${goOn}`);
  }
}

/** `beat, gateway and dashboard go on`. */
function inWords(names: readonly string[]): string {
  const last = names.at(-1);
  return names.length === 1 ? `${last} goes on` : `${names.slice(0, -1).join(', ')} and ${last} go on`;
}
