// Workers of both languages, as processes, on one queue, with faults; and the verdict of the same judges that judge
// TypeScript alone. Results are in Redis.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App, type AppOptions } from '../../../src/index.ts';
import {
  type Counts,
  check,
  count,
  type Facts,
  type RecordedResult,
  type Report,
} from '../../e2e/harness/checkers.ts';
import { type Entry, Ledger, LedgerFolder } from '../../e2e/harness/ledger.ts';
import { Program } from '../../e2e/harness/program.ts';
import { seeded } from '../../e2e/harness/random.ts';
import { isLong, seed } from '../../run/scale.ts';
import { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { RedisServerProcess } from '../../servers/redis.ts';
import { patience, patienceMs, until } from '../../until.ts';
import { appendLog, type Taken, takers } from './append-log.ts';
import { PythonClient } from './python-client.ts';
import type { CelerySettings } from './python-process.ts';
import { PythonWorker } from './python-worker.ts';
import { setApart } from './repeated-by-python.ts';

export interface MixedVerdict {
  readonly report: Report;
  readonly counts: Counts;
  /** Nothing is left of them anywhere in the broker. */
  readonly isAtRest: boolean;
  /** Not in the report: Python ran them again after a TypeScript worker had recorded their results and died. */
  readonly repeatedByPython: readonly string[];
  /**
   * Of the lost, those that Python had last and forgot: it pops a message before it writes down that it holds it, and a kill
   * in between loses it. Ours does both in one step. Known from the server's append-only file, not from either side.
   */
  readonly vanished: readonly string[];
  /** How many tasks were first begun by each side, and how many by one after the other had begun them. */
  readonly shares: { readonly python: number; readonly typescript: number; readonly passedOn: number };
  readonly ledger: readonly Entry[];
}

/** Tasks at a time of every worker. */
const slots = 4;
const queue = 'shared';
/** Of the TypeScript workers: a starved one must not lose what it holds. */
const leaseSeconds = 10;
/** As many as the workers need so as to have always something to do. */
const maxWaiting = 60;

export class Mixed implements AsyncDisposable {
  readonly redis: RedisServerProcess;
  /** The broker, where it is not Redis. */
  readonly #rabbit: Rabbit | null;
  readonly python: PythonClient;
  readonly app: App;
  readonly #settings: CelerySettings;
  readonly #folder: string;
  readonly #faults: Ledger;
  readonly #ledger: LedgerFolder;
  readonly #random = seeded(seed);
  readonly #pythonWorkers: PythonWorker[] = [];
  readonly #pythonPids = new Set<number>();
  readonly #programs: Program[] = [];
  #sent = 0;

  private constructor(redis: RedisServerProcess, rabbit: Rabbit | null, settings: CelerySettings) {
    this.redis = redis;
    this.#rabbit = rabbit;
    this.#folder = mkdtempSync(join(tmpdir(), 'umbel-mixed-'));
    mkdirSync(this.#ledgers);
    this.#faults = new Ledger(join(this.#ledgers, 'faults.ledger'));
    this.#ledger = new LedgerFolder(this.#ledgers);
    this.#settings = {
      broker_url: this.#urls.broker,
      result_backend: redis.url(1),
      task_default_queue: queue,
      ...settings,
    };
    this.python = new PythonClient({ settings: this.#settings });
    this.app = new App('sender', { ...this.#typescript, taskDefaultQueue: queue });
  }

  /** `settings`: of the Python workers. */
  static async start(settings: CelerySettings = {}): Promise<Mixed> {
    return new Mixed(await RedisServerProcess.start(...appendLog), null, settings);
  }

  static async onRabbit(settings: CelerySettings = {}): Promise<Mixed> {
    const [redis, server] = await Promise.all([RedisServerProcess.shared(), RabbitServerProcess.shared()]);
    return new Mixed(redis, { server, vhost: server.vhost() }, settings);
  }

  get #ledgers(): string {
    return join(this.#folder, 'ledgers');
  }

  get #urls(): { readonly broker: string; readonly backend: string } {
    const broker = this.#rabbit?.server.url(this.#rabbit.vhost) ?? this.redis.url(0);
    return { broker, backend: this.redis.url(1) };
  }

  get #typescript(): AppOptions {
    return { ...this.#urls, taskPublishTimeout: patience.timeout };
  }

  get ledger(): readonly Entry[] {
    return this.#ledger.read();
  }

  /** A TypeScript worker from the built package; resolves when it takes tasks. */
  async typescriptWorker(): Promise<Program> {
    const program = new Program('test/interop/programs/worker.ts', {
      INTEROP_SETTINGS: JSON.stringify({ ...this.#typescript, workerLease: leaseSeconds }),
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

  /** Sends a task of so many seconds, from each language in turn, and writes down that it did. Its id. */
  async send(seconds: number): Promise<string> {
    const id = `task-${this.#sent++}`;
    this.#faults.write({ kind: 'invoke', id, at: Date.now() });
    if (this.#sent % 2 === 0) await this.app.send('both.step', [seconds], { taskId: id });
    else await this.python.send('both.step', { args: `(${seconds},)`, options: `dict(task_id="${id}")` });
    this.#faults.write({ kind: 'ok', id, at: Date.now() });
    return id;
  }

  /** Sends tasks of up to `longest` seconds until `faults` is done. */
  async load(faults: Promise<unknown>, longest: number): Promise<void> {
    let over = false;
    const done = faults.finally(() => {
      over = true;
    });
    done.catch(() => undefined); // told below
    while (!over) {
      await this.send(0.01 + (this.#random.below(1000) / 1000) * longest);
      await sleep(15);
      while (!over && this.#waiting() > maxWaiting) await sleep(20);
    }
    await done;
  }

  /** Waits until this worker has begun some tasks. */
  async hasBegun(worker: PythonWorker | Program, tasks = 6): Promise<void> {
    const begun = (): number => this.#starts().filter(({ pid }) => pid === worker.pid).length;
    await until(() => begun() >= tasks, `${tasks} tasks begun by ${worker.pid}`);
  }

  /** Waits until this worker is within a task that lasts for a while yet: so many are sent that the others cannot take them all. */
  async isWithinTask(worker: PythonWorker | Program): Promise<void> {
    for (;;) {
      const long = new Set<string>();
      for (let n = 0; n < 2 * slots; n++) long.add(await this.send(3));
      const isRunning = (entry: Entry): boolean =>
        entry.kind === 'start' &&
        long.has(entry.id) &&
        entry.pid === worker.pid &&
        !this.#ended().has(entry.id);
      const areOver = (): boolean => [...long].every((id) => this.#ended().has(id));
      await until(() => this.ledger.some(isRunning) || areOver(), `a long task within ${worker.pid}`);
      if (this.ledger.some(isRunning)) return;
    }
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

  /** Waits until everything has ended; stops the workers; judges. `promisedMs`: within which that is promised on a machine of its own. */
  async verdict(promisedMs: number): Promise<MixedVerdict> {
    let isAtRest = false;
    for (const late = performance.now() + patienceMs; !isAtRest && performance.now() < late; ) {
      await sleep(100);
      isAtRest = await this.#isAtRest();
    }
    for (const worker of this.#pythonWorkers) if (worker.process.isAlive) await worker.stop();
    for (const program of this.#programs) if (program.isAlive) await this.#stop(program);
    const { ledger } = this;
    // A task that has ended leaves its slot before it is settled: a few more may be in a worker's hands.
    const allowedMs = isLong ? promisedMs : 2 * patienceMs;
    const limits = { slots: 2 * slots, restartMs: allowedMs, settleMs: allowedMs };
    const facts = await this.#facts();
    const sides = { python: this.#pythonPids, typescript: new Set(this.#programs.map(({ pid }) => pid)) };
    const { report, repeatedByPython } = setApart(check(ledger, facts, limits), ledger, facts, sides);
    const vanished = report.lost.filter((id) => this.#takers(id).at(-1) === 'python, and forgotten');
    for (const id of report.lost) {
      console.log(`${id} is lost; it was taken by: ${this.#takers(id).join('; ')}`);
      const record = this.redis.cli('-n', this.#results, 'GET', `celery-task-meta-${id}`);
      const lines = this.logs.split('\n').filter((line) => line.includes(id));
      console.log(
        `${id} is nowhere: ${record}\n${lines.join('\n')}\nelsewhere: ${this.redis
          .cli('-n', this.#results, 'KEYS', '*')
          .split('\n')
          .filter((key) => !key.startsWith('celery-task-meta'))
          .join()}`,
      );
    }
    const counts = count(ledger);
    return { report, isAtRest, repeatedByPython, vanished, counts, shares: this.#shares(ledger), ledger };
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
    this.#ledger.close();
    await this.redis[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #takers(id: string): readonly Taken[] {
    return this.#rabbit === null ? takers(this.redis.folder, queue, id) : [];
  }

  /** The database of results, as the server counts. */
  get #results(): string {
    return String(this.redis.db(1));
  }

  #starts(): Extract<Entry, { kind: 'start' }>[] {
    return this.ledger.filter((entry) => entry.kind === 'start');
  }

  /** How many were sent and have not ended. */
  #waiting(): number {
    return this.#sent - this.#ended().size;
  }

  #ended(): Set<string> {
    return new Set(this.ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
  }

  async #isAtRest(): Promise<boolean> {
    const ended = this.#ended();
    const open = this.ledger.flatMap((entry) =>
      entry.kind === 'ok' && !ended.has(entry.id) ? [entry.id] : [],
    );
    if (this.#rabbit === null) return this.#held().size === 0 && open.every((id) => this.#hasVanished(id));
    if (open.length > 0) return false;
    // Ready and unacknowledged ones. RabbitMQ does not say which.
    const { server, vhost } = this.#rabbit;
    return (await server.queues(vhost)).every(({ messages }) => messages === 0);
  }

  /** A killed Python worker had it and nobody has it now; with late acknowledgement that is not one that runs. It never ends. */
  #hasVanished(id: string): boolean {
    return this.#settings.task_acks_late === true && this.#takers(id).at(-1) === 'python, and forgotten';
  }

  /** Ids of all messages that are anywhere in the broker's database: in queues, in either side's hands, scheduled. */
  #held(): Set<string> {
    if (this.#rabbit !== null) return new Set();
    const text = this.redis.cli('EVAL', readAll, '0');
    return new Set([...text.matchAll(/\\?"id\\?": ?\\?"(task-\d+)\\?"/g)].map(([, id = '']) => id));
  }

  async #facts(): Promise<Facts> {
    const results = new Map<string, RecordedResult>();
    const records = JSON.parse(this.redis.cli('-n', this.#results, 'EVAL', readResults, '0'));
    for (const { status, result, date_done, task_id } of records) {
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
    const late = setTimeout(() => program.signal('SIGKILL'), patienceMs);
    await program.exited;
    clearTimeout(late);
  }
}

interface Rabbit {
  readonly server: RabbitServerProcess;
  readonly vhost: string;
}

/** The records of all results, as a JSON array. */
const readResults = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', 'celery-task-meta-*')) do all[#all + 1] = redis.call('GET', key) end
  return '[' .. table.concat(all, ',') .. ']'`;

/** A script that tells what is in all lists, hashes and sorted sets, dead letters apart. */
const readAll = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    if key:sub(1, 10) == 'umbel:dead' then all[#all + 1] = {}
    elseif kind == 'list' then all[#all + 1] = redis.call('LRANGE', key, 0, -1)
    elseif kind == 'hash' then all[#all + 1] = redis.call('HVALS', key)
    elseif kind == 'zset' then all[#all + 1] = redis.call('ZRANGE', key, 0, -1) end
  end
  return all`;
