// Workers of both languages, as processes, on one queue, with faults; and the verdict of the same judges that judge
// TypeScript alone. Results are in Redis.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../../../src/index.ts';
import {
  type Counts,
  check,
  count,
  type Facts,
  type RecordedResult,
  type Report,
} from '../../e2e/harness/checkers.ts';
import { type Entry, Ledger, readLedgers } from '../../e2e/harness/ledger.ts';
import { Program } from '../../e2e/harness/program.ts';
import { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { RedisServerProcess } from '../../servers/redis.ts';
import { appendLog, type Taken, takers } from './append-log.ts';
import { PythonClient } from './python-client.ts';
import type { CelerySettings } from './python-process.ts';
import { PythonWorker } from './python-worker.ts';

export interface MixedVerdict {
  readonly report: Report;
  readonly counts: Counts;
  /** How many tasks were first begun by each side, and how many by one after the other had begun them. */
  /**
   * Of the lost, those that Python had last and forgot: it pops a message before it writes down that it holds it, and a kill
   * in between loses it. Ours does both in one step. Known from the server's append-only file, not from either side.
   */
  readonly vanished: readonly string[];
  readonly shares: { readonly python: number; readonly typescript: number; readonly passedOn: number };
  readonly ledger: readonly Entry[];
}

/** Tasks at a time of every worker. */
const slots = 4;
const queue = 'shared';

export class Mixed implements AsyncDisposable {
  readonly redis: RedisServerProcess;
  /** The broker, where it is not Redis. */
  readonly rabbit: RabbitServerProcess | null;
  readonly python: PythonClient;
  readonly app: App;
  readonly #settings: CelerySettings;
  readonly #folder: string;
  readonly #faults: Ledger;
  readonly #pythonWorkers: PythonWorker[] = [];
  readonly #pythonPids = new Set<number>();
  readonly #programs: Program[] = [];
  #sent = 0;

  private constructor(
    redis: RedisServerProcess,
    rabbit: RabbitServerProcess | null,
    settings: CelerySettings,
  ) {
    this.redis = redis;
    this.rabbit = rabbit;
    this.#folder = mkdtempSync(join(tmpdir(), 'umbel-mixed-'));
    mkdirSync(this.#ledgers);
    this.#faults = new Ledger(join(this.#ledgers, 'faults.ledger'));
    this.#settings = {
      broker_url: this.#urls.broker,
      result_backend: redis.url(1),
      task_default_queue: queue,
      ...settings,
    };
    this.python = new PythonClient({ settings: this.#settings });
    this.app = new App('sender', { ...this.#urls, taskDefaultQueue: queue });
  }

  /** `settings`: of the Python workers. */
  static async start(settings: CelerySettings = {}): Promise<Mixed> {
    return new Mixed(await RedisServerProcess.start(...appendLog), null, settings);
  }

  static async onRabbit(settings: CelerySettings = {}): Promise<Mixed> {
    const [redis, rabbit] = await Promise.all([RedisServerProcess.start(), RabbitServerProcess.start()]);
    return new Mixed(redis, rabbit, settings);
  }

  get #ledgers(): string {
    return join(this.#folder, 'ledgers');
  }

  get #urls(): { readonly broker: string; readonly backend: string } {
    return { broker: this.rabbit?.url() ?? this.redis.url(0), backend: this.redis.url(1) };
  }

  get ledger(): Entry[] {
    return readLedgers(this.#ledgers);
  }

  /** A TypeScript worker from the built package; resolves when it takes tasks. */
  async typescriptWorker(): Promise<Program> {
    const program = new Program('test/interop/programs/worker.ts', {
      INTEROP_SETTINGS: JSON.stringify({ ...this.#urls, workerLease: 5 }),
      INTEROP_QUEUES: queue,
      INTEROP_LEDGERS: this.#ledgers,
      INTEROP_SLOTS: String(slots),
    });
    this.#programs.push(program);
    await program.line('ready');
    return program;
  }

  /** A Python worker whose tasks are threads of its process: a kill ends all of them. */
  async pythonWorker(): Promise<PythonWorker> {
    const worker = await PythonWorker.start({
      settings: this.#settings,
      queues: [queue],
      pool: 'threads',
      concurrency: slots,
      ledgers: this.#ledgers,
      name: `python-${this.#pythonWorkers.length}@%h`,
    });
    this.#pythonWorkers.push(worker);
    this.#pythonPids.add(worker.pid);
    return worker;
  }

  /** Sends a task of so many seconds, from each language in turn, and writes down that it did. */
  async send(seconds: number): Promise<void> {
    const id = `task-${this.#sent++}`;
    this.#faults.write({ kind: 'invoke', id, at: Date.now() });
    if (this.#sent % 2 === 0) await this.app.send('both.step', [seconds], { taskId: id });
    else await this.python.send('both.step', { args: `(${seconds},)`, options: `dict(task_id="${id}")` });
    this.#faults.write({ kind: 'ok', id, at: Date.now() });
  }

  /** Sends tasks of up to `longest` seconds until `until` is done. */
  async load(until: Promise<unknown>, pauseMs: number, longest: number): Promise<void> {
    let over = false;
    const done = until.finally(() => {
      over = true;
    });
    while (!over) {
      await this.send(0.01 + Math.random() * longest);
      await sleep(pauseMs);
      // Not more than a few seconds of work ahead of the workers.
      for (let n = 0; n < 500 && this.#sent % 20 === 0 && this.#backlog() > 100; n++) await sleep(50);
    }
    await done;
  }

  async end(worker: PythonWorker | Program, fault: 'kill' | 'term'): Promise<void> {
    if (worker instanceof Program) {
      await worker.end(fault, this.#faults);
      return;
    }
    const at = Date.now();
    await worker.process.end(fault === 'kill' ? 'SIGKILL' : 'SIGTERM');
    this.#faults.write({ kind: 'fault', fault, pid: worker.pid, at, until: Date.now() });
  }

  /** Waits until everything has ended, at most `withinMs` long; stops the workers; judges. */
  async verdict(withinMs: number): Promise<MixedVerdict> {
    for (const start = Date.now(); Date.now() - start < withinMs && !this.#isAtRest(); ) await sleep(100);
    for (const worker of this.#pythonWorkers) if (worker.process.isAlive) await worker.stop();
    for (const program of this.#programs) if (program.isAlive) await this.#stop(program);
    const { ledger } = this;
    // A task that has ended leaves its slot before it is settled: a few more may be in a worker's hands.
    const limits = { slots: 2 * slots, restartMs: withinMs, settleMs: withinMs };
    const report = check(ledger, await this.#facts(), limits);
    const vanished = report.lost.filter((id) => this.#takers(id).at(-1) === 'python, and forgotten');
    for (const id of report.lost) {
      console.log(`${id} is lost; it was taken by: ${this.#takers(id).join('; ')}`);
      const record = this.redis.cli('-n', '1', 'GET', `celery-task-meta-${id}`);
      const lines = this.logs.split('\n').filter((line) => line.includes(id));
      console.log(
        `${id} is nowhere: ${record}\n${lines.join('\n')}\nelsewhere: ${this.redis
          .cli('-n', '1', 'KEYS', '*')
          .split('\n')
          .filter((key) => !key.startsWith('celery-task-meta'))
          .join()}`,
      );
    }
    return { report, vanished, counts: count(ledger), shares: this.#shares(ledger), ledger };
  }

  /** What the workers said, for a verdict that is not understood. */
  get logs(): string {
    return [
      ...this.#pythonWorkers.map((worker) => `Python ${worker.pid}:\n${worker.log}`),
      ...this.#programs.map((program) => `TypeScript ${program.pid}:\n${program.errors}`),
    ].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([
      ...this.#pythonWorkers.map((worker) => worker[Symbol.asyncDispose]()),
      ...this.#programs.map((program) => program[Symbol.asyncDispose]()),
      this.python[Symbol.asyncDispose](),
      this.app.close(),
    ]);
    this.#faults.close();
    await this.rabbit?.[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #takers(id: string): readonly Taken[] {
    return this.rabbit === null ? takers(this.redis.folder, queue, id) : [];
  }

  #backlog(): number {
    if (this.rabbit === null) return Number(this.redis.cli('LLEN', queue));
    const ended = new Set(this.ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
    return this.#sent - ended.size;
  }

  #isAtRest(): boolean {
    const { ledger } = this;
    const ended = new Set(ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
    if (!ledger.every((entry) => entry.kind !== 'ok' || ended.has(entry.id))) return false;
    return this.rabbit === null ? this.#held().size === 0 : this.#inRabbit(this.rabbit) === 0;
  }

  /** Ready and unacknowledged ones, of all queues. RabbitMQ does not say which. */
  #inRabbit(rabbit: RabbitServerProcess): number {
    const counts = rabbit.ctl('--no-table-headers', 'list_queues', 'messages').split('\n');
    return counts.reduce((sum, count) => sum + Number(count), 0);
  }

  /** Ids of all messages that are anywhere in the broker's database: in queues, in either side's hands, scheduled. */
  #held(): Set<string> {
    const ids = new Set<string>();
    for (const key of this.redis.cli('KEYS', '*').split('\n')) {
      if (key.startsWith('umbel:dead')) continue;
      const read = readers[this.redis.cli('TYPE', key)];
      if (read === undefined) continue;
      const text = this.redis.cli(...read(key));
      for (const [, id] of text.matchAll(/\\?"id\\?": ?\\?"(task-\d+)\\?"/g))
        if (id !== undefined) ids.add(id);
    }
    return ids;
  }

  async #facts(): Promise<Facts> {
    const results = new Map<string, RecordedResult>();
    for (const key of this.redis.cli('-n', '1', 'KEYS', 'celery-task-meta-*').split('\n')) {
      if (key === '') continue;
      const { status, result, date_done, task_id } = JSON.parse(this.redis.cli('-n', '1', 'GET', key));
      if (status === 'PENDING') continue;
      // Celery 5.2 writes no offset.
      const doneAt =
        date_done === null ? null : Date.parse(/[+Z]/.test(date_done) ? date_done : `${date_done}Z`);
      results.set(task_id, { status, run: result, doneAt });
    }
    const transport = await this.app.broker();
    const dead = (await transport.deadLetters.list({ limit: 1000 })).flatMap(
      ({ raw }) => /"id": ?"(task-\d+)"/.exec(Buffer.from(raw).toString())?.[1] ?? [],
    );
    return { at: Date.now(), results, dead: new Set(dead), waiting: this.#held() };
  }

  #shares(ledger: readonly Entry[]): MixedVerdict['shares'] {
    const first = new Map<string, boolean>();
    let passedOn = 0;
    for (const entry of ledger) {
      if (entry.kind !== 'start') continue;
      const python = this.#pythonPids.has(entry.pid);
      const before = first.get(entry.id);
      if (before === undefined) first.set(entry.id, python);
      else if (before !== python) passedOn++;
    }
    const python = [...first.values()].filter(Boolean).length;
    return { python, typescript: first.size - python, passedOn };
  }

  async #stop(program: Program): Promise<void> {
    program.signal('SIGTERM');
    const late = setTimeout(() => program.signal('SIGKILL'), 10_000);
    await program.exited;
    clearTimeout(late);
  }
}

/** How redis-cli shows all of a key. */
const readers: Readonly<Record<string, (key: string) => string[]>> = {
  list: (key) => ['LRANGE', key, '0', '-1'],
  hash: (key) => ['HVALS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1'],
};
