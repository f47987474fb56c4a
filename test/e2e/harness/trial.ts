// One trial: a folder with a store and ledgers, the processes that share them, and the verdict at the end.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLong, scaled } from '../../run/scale.ts';
import { patienceMs, until, within } from '../../until.ts';
import { type Counts, check, count, type Facts, type Limits, type Report } from './checkers.ts';
import { type Entry, Ledger, LedgerFolder } from './ledger.ts';
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
  /** Within which a dead worker's tasks start again, where it is not the 20 s of the promise, milliseconds. For the long run. */
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

/** What is promised, milliseconds: the long run judges by it, on a machine that does nothing else. */
const promisedMs = 20_000;
/** In the default run only what never comes is too late. */
const neverMs = 1.5 * patienceMs;

/** What is allowed to workers with so many slots. */
export function allowed(slots: number, restartMs = promisedMs): Limits {
  // A worker holds as many again as it runs: those that have ended and are being settled.
  const held = 2 * slots;
  if (isLong) return { slots: held, restartMs, settleMs: promisedMs };
  return { slots: held, restartMs: neverMs, settleMs: neverMs };
}

/** For a test with a trial: processes that are killed and started again take long where others compute, too. Milliseconds. */
export const trialMs: number = scaled(4 * patienceMs, 60 * patienceMs);

/** What was counted, for people: printed by the long run, whose figures docs/reliability.md has. */
export function figures(text: string): void {
  if (isLong) process.stdout.write(`\n${text}\n`);
}

export class Trial implements AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  /** What the test itself does to the processes. */
  readonly faults: Ledger;
  readonly #ledgers: string;
  readonly #written: LedgerFolder;
  readonly #options: TrialOptions;
  readonly #programs: Program[] = [];

  constructor(options: TrialOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'umbel-proof-'));
    this.store = options.store ?? join(this.folder, 'store.db');
    this.#ledgers = join(this.folder, 'ledgers');
    mkdirSync(this.#ledgers);
    this.faults = new Ledger(join(this.#ledgers, 'faults.ledger'));
    this.#written = new LedgerFolder(this.#ledgers);
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

  get ledger(): readonly Entry[] {
    return this.#written.read();
  }

  /** How many entries of this kind there are. */
  count(kind: Entry['kind']): number {
    return this.ledger.filter((entry) => entry.kind === kind).length;
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

  /** Whether all that was sent has ended. */
  get allEnded(): boolean {
    const { ledger } = this;
    const ended = new Set(ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
    return ledger.every((entry) => entry.kind !== 'ok' || ended.has(entry.id));
  }

  /** Waits until all that was sent has been recorded, or until it would be called stuck; stops the workers; judges. */
  async verdict(): Promise<Verdict> {
    await using view: View = (await this.#options.place?.look()) ?? new FileView(await lookInto(this.store));
    const isAtRest = (): boolean => view.lags !== true || this.allEnded;
    const rested = until(async () => isAtRest() && (await view.messages()) === 0, 'nothing is left to run');
    await rested.catch(() => undefined); // the checkers say of what was left what is wrong with it
    await Promise.all(this.#programs.map((program) => this.#stop(program)));
    const { ledger } = this;
    const facts = await view.facts();
    const { slots, restartMs } = this.#options;
    return { report: check(ledger, facts, allowed(slots, restartMs)), counts: count(ledger), facts, ledger };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
    this.faults.close();
    this.#written.close();
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
    await within(program.exited, `process ${program.pid} ends when it is asked to:\n${program.errors}`);
  }
}
