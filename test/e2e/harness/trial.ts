// One trial: a folder with a store and ledgers, the processes that share them, and the verdict at the end.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Counts, check, count, type Facts, type Limits, type Report } from './checkers.ts';
import { type Entry, Ledger, readLedgers } from './ledger.ts';
import { FileView, type Place, type View } from './places.ts';
import { Program } from './program.ts';
import { lookInto } from './store.ts';

export interface TrialOptions {
  /** Tasks that one worker runs at a time. */
  readonly slots: number;
  /** Seconds; the worker's own default when left out. */
  readonly lease?: number;
  /** Seconds; the broker's heartbeat. */
  readonly heartbeat?: number;
  /** Within which a dead worker's tasks start again, where it is not the 20 s of the promise, milliseconds. */
  readonly restartMs?: number;
  /** The file; in the trial's folder when left out. */
  readonly store?: string;
  /** Broker and results elsewhere than in that file. */
  readonly place?: Place;
}

export interface Verdict {
  readonly report: Report;
  readonly counts: Counts;
  readonly facts: Facts;
  readonly ledger: readonly Entry[];
}

const promisedMs = 20_000;

export class Trial implements AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  /** What the test itself does to the processes. */
  readonly faults: Ledger;
  readonly #ledgers: string;
  readonly #options: TrialOptions;
  readonly #programs: Program[] = [];

  constructor(options: TrialOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'umbel-proof-'));
    this.store = options.store ?? join(this.folder, 'store.db');
    this.#ledgers = join(this.folder, 'ledgers');
    mkdirSync(this.#ledgers);
    this.faults = new Ledger(join(this.#ledgers, 'faults.ledger'));
  }

  /** Starts a worker; resolves when it takes tasks. */
  async worker(): Promise<Program> {
    return await this.#start('worker.ts');
  }

  async sender(): Promise<Program> {
    return await this.#start('sender.ts');
  }

  /** The settings that programs of this trial are started with. */
  get environment(): Record<string, string> {
    const { slots, lease, heartbeat, place } = this.#options;
    return {
      PROOF_BROKER: place?.broker ?? `sqlite://${this.store}`,
      PROOF_BACKEND: place?.backend ?? `sqlite://${this.store}`,
      PROOF_LEDGERS: this.#ledgers,
      PROOF_SLOTS: String(slots),
      ...(lease === undefined ? {} : { PROOF_LEASE: String(lease) }),
      ...(heartbeat === undefined ? {} : { PROOF_HEARTBEAT: String(heartbeat) }),
    };
  }

  /** A program that this trial ends at the latest when it is over. */
  adopt(program: Program): Program {
    this.#programs.push(program);
    return program;
  }

  get ledger(): Entry[] {
    return readLedgers(this.#ledgers);
  }

  /** How many different tasks have come to their end, by the ledgers. */
  get ended(): number {
    return this.#endedOf(() => true);
  }

  /** The same, of those that this trial's senders have sent. */
  get sentAndEnded(): number {
    const sent = new Set(this.ledger.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : [])));
    return this.#endedOf((id) => sent.has(id));
  }

  get #allEnded(): boolean {
    const { ledger } = this;
    const ended = new Set(ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
    return ledger.every((entry) => entry.kind !== 'ok' || ended.has(entry.id));
  }

  /** Resolves when `condition` holds, and at the latest after `withinMs`: the verdict tells what was missing. */
  async until(condition: () => boolean | Promise<boolean>, withinMs: number = promisedMs): Promise<void> {
    // Files of other processes: there is nothing to be told by.
    for (const start = Date.now(); !(await condition()) && Date.now() - start < withinMs; ) await sleep(50);
  }

  /** Waits until all that was sent has been recorded, or until it would be called stuck; stops the workers; judges. */
  async verdict(): Promise<Verdict> {
    await using view: View = (await this.#options.place?.look()) ?? new FileView(await lookInto(this.store));
    const isAtRest = (): boolean => view.lags !== true || this.#allEnded;
    await this.until(async () => isAtRest() && (await view.messages()) === 0);
    await Promise.all(this.#programs.map((program) => this.#stop(program)));
    const ledger = this.ledger;
    const facts = await view.facts();
    // A worker holds as many again as it runs: those that have ended and are being settled.
    const { slots, restartMs = promisedMs } = this.#options;
    const limits: Limits = { slots: 2 * slots, restartMs, settleMs: promisedMs };
    return { report: check(ledger, facts, limits), counts: count(ledger), facts, ledger };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
    this.faults.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #endedOf(counts: (id: string) => boolean): number {
    const ids = this.ledger.flatMap((entry) => (entry.kind === 'end' && counts(entry.id) ? [entry.id] : []));
    return new Set(ids).size;
  }

  async #start(script: string): Promise<Program> {
    const program = this.adopt(new Program(script, this.environment));
    await program.line('ready');
    return program;
  }

  async #stop(program: Program): Promise<void> {
    if (!program.isAlive) return;
    program.signal('SIGTERM');
    const late = setTimeout(() => program.signal('SIGKILL'), 10_000);
    await program.exited;
    clearTimeout(late);
  }
}
