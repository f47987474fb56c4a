// One trial of chaos: a place, a sender, workers with points; the verdict when all has come to rest.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../e2e/harness/built.ts';
import { type Entry, Ledger, LedgerFolder, readLedgers } from '../../e2e/harness/ledger.ts';
import { FileView, type View } from '../../e2e/harness/places.ts';
import { Program } from '../../e2e/harness/program.ts';
import { lookInto } from '../../e2e/harness/store.ts';
import type { Order } from '../programs/sender.ts';
import { type Judged, judge } from './judge.ts';
import type { ChaosPlace } from './places.ts';
import type { PoolName } from './points.ts';
import { programPath } from './programs.ts';

export interface TrialOptions {
  readonly place: ChaosPlace;
  readonly pool?: PoolName;
  readonly slots?: number;
  /** Seconds. */
  readonly lease?: number;
  /** What is too late, milliseconds. */
  readonly limitMs?: number;
}

const slots = 4;
const promisedMs = 20_000;
/** What is too late is waited for, and then some. */
const afterLimitMs = 5000;

export class ChaosTrial implements AsyncDisposable {
  readonly folder: string;
  readonly #ledgers: string;
  readonly #options: TrialOptions;
  readonly #programs: Program[] = [];
  readonly #faults: Ledger;
  readonly #written: LedgerFolder;
  #sender: Program | null = null;
  #sent = 0;
  /** A worker that is loaded and waits to be let go. */
  #standby: Program | null = null;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'umbel-chaos-'));
    this.#ledgers = join(this.folder, 'ledgers');
    mkdirSync(this.#ledgers);
    writeFileSync(join(this.folder, 'scripts.json'), JSON.stringify(options.place.scripts));
    this.#faults = new Ledger(join(this.#ledgers, 'faults.ledger'));
    this.#written = new LedgerFolder(this.#ledgers);
  }

  /** A worker that joins now. `failpoint`: see `points.cjs`. It is not waited for. */
  async worker(failpoint = ''): Promise<Program> {
    const worker = this.#standby ?? this.#start('worker');
    this.#standby = null;
    await worker.line('loaded');
    worker.tell(`go ${failpoint}`);
    return worker;
  }

  /** Loads the next worker meanwhile. */
  prepare(): void {
    this.#standby ??= this.#start('worker');
  }

  /** Resolves when all of it is sent. */
  async send(order: Order): Promise<void> {
    this.#sender ??= this.#start('sender');
    const from = this.#sender.lines.length;
    this.#sender.tell(JSON.stringify(order));
    await this.#sender.line('sent', from, 60_000);
    this.#sent += Object.values(order.mix).reduce((sum, count) => sum + count, 0);
  }

  /** The embedded store. */
  get file(): string {
    return join(this.folder, 'store.db');
  }

  /** How many were ordered. */
  get sent(): number {
    return this.#sent;
  }

  /** What a test itself does to a worker. */
  async end(worker: Program, how: 'kill' | 'term'): Promise<void> {
    await worker.end(how, this.#faults);
  }

  /** From now on, for some seconds, what runs there is cut off. */
  interrupts({ pid }: Program): void {
    this.#faults.write({ kind: 'fault', fault: 'kill', pid, at: Date.now(), until: Date.now() + 3000 });
  }

  /** Resolves when all that was sent has ended, or it is too late for that. */
  async rest(): Promise<void> {
    await this.until(() => this.#hasEnded, this.#options.limitMs ?? promisedMs);
  }

  /** Ends all workers and the sender. */
  async clear(): Promise<void> {
    const all = this.#programs.splice(0);
    this.#sender = null;
    this.#standby = null;
    await Promise.all(all.map((program) => this.#stop(program)));
  }

  /** How many runs have begun. */
  get started(): number {
    return this.ledger.filter(({ kind }) => kind === 'start').length;
  }

  get ledger(): readonly Entry[] {
    return this.#written.read();
  }

  /** Only what happened at points, which is read often. */
  get pointFaults(): Entry[] {
    return readLedgers(this.#ledgers, '-faults.ledger');
  }

  /** Lets a free worker finish what is left, stops all, and judges. */
  async verdict(tolerated: readonly string[] = []): Promise<Judged> {
    const { place, limitMs = promisedMs } = this.#options;
    if (
      !this.#programs.some(
        (program) => program.isAlive && program !== this.#sender && program !== this.#standby,
      )
    )
      await this.worker();
    await using view: View =
      place.server === null ? new FileView(await lookInto(this.file)) : await place.server.look();
    // To look costs more than to wait: all messages are counted.
    const everyMs = view.lags === true ? 1000 : 250;
    const isAtRest = async (): Promise<boolean> => this.#hasEnded && (await view.messages()) === 0;
    await this.until(isAtRest, limitMs + afterLimitMs, everyMs);
    await Promise.all(this.#programs.map((program) => this.#stop(program)));
    const facts = await view.facts();
    const limits = { slots: this.#options.slots ?? slots, limitMs };
    return judge(this.ledger, facts, limits, [...place.tolerated, ...tolerated]);
  }

  async until(condition: () => boolean | Promise<boolean>, withinMs: number, everyMs = 50): Promise<void> {
    // Files of other processes: there is nothing to be told by.
    for (const start = Date.now(); !(await condition()) && Date.now() - start < withinMs; )
      await sleep(everyMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
    this.#faults.close();
    this.#written.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** By the ledger; what is revoked has no end there. */
  get #hasEnded(): boolean {
    const { ledger } = this;
    const ended = new Set(ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
    return ledger.every(
      (entry) => entry.kind !== 'ok' || ended.has(entry.id) || entry.id.startsWith('revoked-'),
    );
  }

  #start(script: 'worker' | 'sender'): Program {
    const { place, pool = 'async', slots: size = slots, lease = 5 } = this.#options;
    const { server } = place;
    const environment: Record<string, string> = {
      CHAOS_BROKER: server?.broker ?? `sqlite://${this.file}`,
      CHAOS_BACKEND: server?.backend ?? `sqlite://${this.file}`,
      CHAOS_LEDGERS: this.#ledgers,
      CHAOS_SLOTS: String(size),
      CHAOS_LEASE: String(lease),
      CHAOS_POOL: pool,
    };
    if (place.name === 'rabbitmq') environment.CHAOS_HEARTBEAT = String(lease);
    if (script === 'worker') {
      environment.NODE_OPTIONS = `--require ${join(root, 'test', 'chaos', 'programs', 'points.cjs')}`;
      environment.CHAOS_PORTS = place.ports.join(',');
      environment.CHAOS_SCRIPTS = join(this.folder, 'scripts.json');
      if (place.name === 'sqlite') environment.CHAOS_SQL = '1';
    }
    const program = new Program(programPath(script), environment);
    this.#programs.push(program);
    return program;
  }

  async #stop(program: Program): Promise<void> {
    if (!program.isAlive) return;
    program.signal('SIGTERM');
    const late = setTimeout(() => program.signal('SIGKILL'), program === this.#standby ? 0 : 10_000);
    await program.exited;
    clearTimeout(late);
  }
}
