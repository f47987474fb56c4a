// Both languages on one broker: a worker each, a client each, and the queues `py` and `ts`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { App, type AppOptions, type AsyncResult, type SendOptions } from '../../../src/index.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { patience, patienceMs } from '../../until.ts';
import { defineTasks } from '../programs/tasks.ts';
import { type PythonCall, PythonClient } from './python-client.ts';
import type { CelerySettings } from './python-process.ts';
import { PythonWorker } from './python-worker.ts';

/** Servers, and how each half is told of them. */
export interface Servers {
  readonly python: CelerySettings;
  readonly typescript: AppOptions;
  /** How many messages wait in a queue, read past all of our code. */
  waiting(queue: string): Promise<number>;
  /** Which of 0 and 9 is the more urgent one. */
  readonly firstPriority: 0 | 9;
  /** Results can be read by programs that did not send the call; with `rpc://` only the sender's can. */
  readonly sharedResults: boolean;
}

export class Pair implements AsyncDisposable {
  readonly servers: Servers;
  /** Of the Python half. */
  readonly settings: CelerySettings;
  /** The caller in Python. */
  readonly python: PythonClient;
  readonly pythonWorker: PythonWorker;
  /** The caller in TypeScript. */
  readonly app: App;
  /** What the TypeScript worker runs. */
  readonly served: App;
  readonly folder: string;
  /** Python reads and writes dates, decimals, UUIDs and bytes as themselves: kombu 5.3 and later. */
  readonly typed: boolean;
  readonly #worker: Worker;
  #gates = 0;

  private constructor(
    servers: Servers,
    settings: CelerySettings,
    python: PythonClient,
    pythonWorker: PythonWorker,
    app: App,
    served: App,
    worker: Worker,
    folder: string,
    typed: boolean,
  ) {
    this.servers = servers;
    this.settings = settings;
    this.python = python;
    this.pythonWorker = pythonWorker;
    this.app = app;
    this.served = served;
    this.#worker = worker;
    this.folder = folder;
    this.typed = typed;
  }

  static async start(servers: Servers): Promise<Pair> {
    const routes = { 'py.*': { queue: 'py' }, 'ts.*': { queue: 'ts' } };
    const typescript: AppOptions = {
      acceptContent: ['json', 'yaml', 'msgpack'],
      acceptCompression: ['zlib', 'bzip2'],
      resultExtended: true,
      workerDirect: true,
      ...servers.typescript,
    };
    const settings: CelerySettings = {
      accept_content: ['json', 'yaml', 'msgpack'],
      result_extended: true,
      worker_direct: true,
      task_routes: routes,
      broker_connection_retry: false,
      ...servers.python,
    };
    const folder = mkdtempSync(join(tmpdir(), 'umbel-interop-'));
    const python = new PythonClient({ settings });
    const app = new App('caller', { ...typescript, taskRoutes: routes });
    const served = new App('served', { ...typescript, taskRoutes: routes });
    defineTasks(served);
    const worker = new Worker(served, { queues: ['ts'], concurrency: 8, name: 'typescript@%h' });
    const started = await Promise.allSettled([
      PythonWorker.start({ settings, queues: ['py'], pool: 'prefork', concurrency: 2 }),
      worker.start(),
    ]);
    const [pythonWorker] = started;
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    if (pythonWorker.status === 'rejected') throw pythonWorker.reason;
    const typed = (await python.eval('__import__("kombu").VERSION >= (5, 3)')) === true;
    return new Pair(servers, settings, python, pythonWorker.value, app, served, worker, folder, typed);
  }

  /** Calls a task of Python's and returns its value. */
  async callPython<R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options?: SendOptions,
  ): Promise<R> {
    const result: AsyncResult<R> = await this.app.send<R>(name, args, options);
    return result.get(patience);
  }

  /** Calls a task of TypeScript's from Python and returns its value. */
  callTypeScript(name: string, call: PythonCall = {}): Promise<unknown> {
    return this.python.call(name, call);
  }

  /** A gate that a task waits at: its name, and how it is opened. */
  gate(): { readonly path: string; open(): void } {
    const path = join(this.folder, `gate-${this.#gates++}`);
    return { path, open: () => writeFileSync(path, '') };
  }

  /** Resolves with the first record of a task that satisfies `is`. */
  async seen(result: AsyncResult, is: (record: ResultRecord) => boolean): Promise<ResultRecord> {
    let last: ResultRecord | undefined;
    for await (const record of result.watch(AbortSignal.timeout(patienceMs))) {
      if (is(record)) return record;
      last = record;
    }
    throw new Error(`not seen of ${result.id}, which is ${last?.status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([
      this.python[Symbol.asyncDispose](),
      this.pythonWorker[Symbol.asyncDispose](),
      this.#worker.stop({ cold: true }),
    ]);
    await Promise.allSettled([this.app.close(), this.served.close()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The error that a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    (value) => expect.fail(`it gave ${String(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error;
  throw new Error('it threw what is no error', { cause: error });
}
