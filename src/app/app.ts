import type { When } from '../config/beat-schedule.ts';
import type { SendOptions } from '../config/call-options.ts';
import { checkName } from '../config/checks.ts';
import { type AppOptions, type Config, resolveConfig } from '../config/config.ts';
import { backendOptions, brokerOptions } from '../config/driver-options.ts';
import { Topology } from '../config/queues.ts';
import { Router } from '../config/router.ts';
import type { ObjectSchema, SchemaInput, SchemaOutput } from '../config/standard-schema.ts';
import { optionsOfTask, type SignatureOptions, toWireOptions } from '../config/wire-options.ts';
import { ConfigError, ResultBackendDisabledError } from '../errors.ts';
import type { Json } from '../protocol/message.ts';
import {
  AsyncResult,
  fromTuple,
  GroupResult,
  type ResultHome,
  type Returned,
} from '../results/async-result.ts';
import { checkShape, noKwargs } from '../sending/arguments.ts';
import { calleeNamed } from '../sending/callee.ts';
import { HistoryWriter } from '../sending/history-writer.ts';
import type { Stores } from '../sending/sending-app.ts';
import type { ResultBackend } from '../stores/backend.ts';
import { type Exchanges, exchangesNamed } from '../stores/fanout.ts';
import { groupRecords } from '../stores/group-records.ts';
import { openBackend, openTransport } from '../stores/registry.ts';
import type { Transport } from '../stores/transport.ts';
import { readSignature, taskSignature } from '../workflow/construct.ts';
import { normalize } from '../workflow/normal-form.ts';
import { AuditLog } from './audit.ts';
import { OpenChords } from './chords.ts';
import { addCommand, type RemoteCommand } from './commands.ts';
import { DeadLetters } from './dead-letters.ts';
import { defineTask } from './define.ts';
import { type EnsureConnectionOptions, ensureConnection } from './ensure-connection.ts';
import { type Middleware, MiddlewareLayers } from './middleware.ts';
import { BrokerQueues } from './queues.ts';
import { Registry } from './registry.ts';
import {
  DeclaredSchedules,
  declarePeriodic,
  declareSchedule,
  type Scheduled,
  type ScheduleOptions,
} from './schedule.ts';
import { sendOrApply } from './send-or-apply.ts';
import { createSignals, type Signals } from './signals.ts';
import { type Signature, signatureOf } from './signature.ts';
import type { BoundTask, KeywordTask, Task, TaskBody, TaskOptions } from './task.ts';
import { TaskHistory } from './task-history.ts';
import { type DefinitionOptions, type ResolvedTaskOptions, resolveTaskOptions } from './task-options.ts';

/** The signature of a remote task that takes one object. */
type RemoteKeywordTask<F extends (input: never) => unknown> = Parameters<F>[0] extends object
  ? KeywordTask<Parameters<F>[0], Returned<ReturnType<F>>>
  : never;

/**
 * The code of a task with these options. The options alone decide which of the four kinds it is, and each kind infers its arguments by
 * itself. So a compiler error names the option or the code that is wrong.
 */
type BodyOf<
  Bind extends boolean,
  Schema extends ObjectSchema | undefined,
  Bound extends readonly unknown[],
  Args extends readonly unknown[],
  R,
> = [Schema] extends [ObjectSchema]
  ? [Bind] extends [true]
    ? (task: BoundTask, input: SchemaOutput<Schema>) => R
    : (input: SchemaOutput<Schema>) => R
  : [Bind] extends [true]
    ? (task: BoundTask, ...args: Bound) => R
    : (...args: Args) => R;

/** `boolean`, which is neither true nor false, becomes `never`: the arguments of the code would be unknown. */
type Known<Bind extends boolean> = boolean extends Bind ? never : Bind;

/** The task that `app.task` returns for this code. */
type Defined<
  Bind extends boolean,
  Schema extends ObjectSchema | undefined,
  Bound extends readonly unknown[],
  Args extends readonly unknown[],
  R,
> = [Schema] extends [ObjectSchema]
  ? KeywordTask<SchemaInput<Schema>, Returned<R>>
  : Task<[Bind] extends [true] ? Bound : Args, Returned<R>, R>;

type AnyBody = (...args: never) => unknown;

/**
 * An application: its settings, its tasks, and its connections, which are opened when they are first needed.
 * @example
 * const app = new App('shop');
 * const add = app.task('shop.add', (x: number, y: number) => x + y);
 * const sum = await add.delay(2, 3);
 */
export class App implements AsyncDisposable {
  /** Its name, first in the names of its schedules and shared by the programs that are one application. */
  readonly name: string;
  /** The settings, complete and frozen. */
  readonly config: Config;
  /** The tasks that the code has defined, by name. */
  readonly tasks: Registry = new Registry();
  /** Events of tasks, workers and beats that code can listen to. */
  readonly signals: Signals = createSignals();
  /** See {@link App.use}. @internal */
  readonly middleware: MiddlewareLayers = new MiddlewareLayers();
  /** See {@link App.command}. @internal */
  readonly commands: Map<string, RemoteCommand> = new Map();
  /** Messages that could not be run: list, replay or discard them. */
  readonly deadLetters: DeadLetters = new DeadLetters(this);
  /** What became of each task, where `umbel recorder` writes it. */
  readonly history: TaskHistory = new TaskHistory(this);
  /** Chords that wait for members: shown, and repaired. */
  readonly chords: OpenChords = new OpenChords(this);
  /** Who did what to queues, tasks and schedules, when and why. */
  readonly audit: AuditLog = new AuditLog(this);
  /** The queues of the broker: how full they are, and what waits in them. */
  readonly queues: BrokerQueues = new BrokerQueues(this);
  /** The schedules that the code declares. */
  readonly schedules: DeclaredSchedules;
  /** @internal */
  readonly router: Router;
  /** @internal */
  readonly topology: Topology;
  /** @internal Exchanges for its events and its remote control. */
  readonly exchanges: Exchanges;
  /** Options of tasks that are not defined here. @internal */
  readonly defaults: ResolvedTaskOptions;
  #stores: Stores | null = null;
  #opening: Promise<Stores> | null = null;
  #closed = false;
  readonly #results = async (): Promise<ResultBackend> => {
    const backend = await this.backend();
    if (backend === null) throw new ResultBackendDisabledError(this.name);
    return backend;
  };
  /** Where the results of this application's calls are, and how their tasks are revoked. @internal */
  readonly results: ResultHome = {
    open: () => this.#stores?.backend ?? this.#results(),
    revoke: async (ids, options) => (await import('./revoke.ts')).revokeTasks(this, ids, options),
    waitingIn: async (queue) => (await (await this.broker()).size(queue)).ready,
  };

  /** @throws ConfigError for settings that are unknown, contradictory or out of range. */
  constructor(name: string, options: AppOptions = {}) {
    this.name = checkName(name, "the application's name");
    this.config = resolveConfig(options);
    this.router = new Router(this.config.taskRoutes);
    this.topology = new Topology(this.config.taskQueues, this.config);
    this.exchanges = exchangesNamed(this.config.controlExchange, this.config.eventExchange);
    this.defaults = resolveTaskOptions('*', {}, this.config);
    this.schedules = new DeclaredSchedules(this.config.beatSchedule);
  }

  /**
   * Defines a task. The types of the task are those of its code.
   * @throws AlreadyRegisteredError, UnknownOptionError, ConfigError
   */
  task<Args extends readonly unknown[], R>(
    name: string,
    body: (...args: Args) => R,
  ): Task<Args, Returned<R>, R>;
  task<
    R,
    Bound extends readonly unknown[],
    Args extends readonly unknown[],
    Bind extends boolean = false,
    Schema extends ObjectSchema | undefined = undefined,
  >(
    name: string,
    options: TaskOptions & { readonly bind?: Known<Bind>; readonly input?: Schema },
    body: BodyOf<Bind, Schema, Bound, Args, R>,
  ): Defined<Bind, Schema, Bound, Args, R>;
  task(name: string, optionsOrBody: DefinitionOptions | AnyBody, body?: AnyBody): unknown {
    const [options, run] = typeof optionsOrBody === 'function' ? [{}, optionsOrBody] : [optionsOrBody, body];
    if (typeof run !== 'function')
      throw new ConfigError(`the task '${name}' has no code: app.task(name, options, function)`);
    const resolved = resolveTaskOptions(checkName(name, "the task's name"), options, this.config);
    const task = defineTask(this, name, resolved, run as TaskBody); // see TaskBody: its arguments are checked before
    this.tasks.add(task);
    return task;
  }

  /**
   * A task of another program, which may be Python: it can be sent, not run. `F` is its signature. With `keywords` its one
   * argument is an object, whose members travel as Python's keyword arguments.
   * @example
   * const predict = app.remote<(text: string) => string[]>('ml.predict', { queue: 'ml' });
   * const train = app.remote<(input: { data: string; rounds?: number }) => number>('ml.train', { keywords: true });
   */
  remote<F extends (input: never) => unknown>(
    name: string,
    options: TaskOptions & { readonly keywords: true },
  ): RemoteKeywordTask<F>;
  remote<F extends (...args: never) => unknown>(
    name: string,
    options?: TaskOptions & { readonly keywords?: false },
  ): Task<Parameters<F>, Returned<ReturnType<F>>, never>;
  remote(name: string, given: TaskOptions & { readonly keywords?: boolean } = {}): unknown {
    const { keywords = false, ...options } = given;
    const resolved = resolveTaskOptions(name, options, this.config);
    return defineTask(this, checkName(name, "the task's name"), resolved, null, keywords);
  }

  /**
   * Sends a call by its task's name. If the task is defined here, its options count and its schema checks the call.
   * @throws InvalidArgumentsError, NotSerializableError, PayloadTooLargeError, UnknownOptionError, ConfigError,
   * BrokerUnavailable: then nothing was sent.
   */
  async send<R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options: SendOptions = {},
  ): Promise<AsyncResult<R>> {
    const { kwargs = noKwargs, ...call } = options;
    const callee = calleeNamed(this, checkName(name, "the task's name"));
    checkShape(name, args, kwargs);
    return sendOrApply<R>(this, callee, { args, kwargs }, call);
  }

  /**
   * Declares a schedule, which a beat (`umbel beat`, `new Beat(app)`) sends. The name identifies the schedule: a beat that starts
   * puts the schedules of the code into the store, each under its name.
   * @throws ConfigError, UnknownOptionError, NotSerializableError
   * @example
   * app.schedule('nightly', crontab('0 3 * * *'), report, { args: ['full'], queue: 'slow' });
   */
  schedule(name: string, when: When, what: Scheduled, options: ScheduleOptions = {}): void {
    this.schedules.add(declareSchedule(name, when, what, options));
  }

  /** Celery's spelling of `schedule`. Without a name, the name is made of the schedule and the task. */
  addPeriodicTask(
    when: When,
    what: Scheduled,
    { name, ...options }: ScheduleOptions & { readonly name?: string } = {},
  ): void {
    this.schedules.add(declarePeriodic(name, when, what, options));
  }

  /**
   * A signature by its task's name, wherever the task is defined. Its types are what you declare.
   * @example chain(add.s(2, 2), app.signature<[number], string>('py.describe'))
   */
  signature<In extends readonly unknown[] = readonly unknown[], Out = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options: SignatureOptions & {
      readonly kwargs?: Json;
      /** It ignores the result of the step before it. */
      readonly immutable?: boolean;
    } = {},
  ): Signature<In, Out> {
    const { kwargs = noKwargs, immutable = false, ...call } = options;
    const task = this.tasks.get(checkName(name, "the task's name"));
    checkShape(name, args, kwargs);
    const own = { ...(task && optionsOfTask(task)), ...toWireOptions(name, call) };
    return signatureOf<In, Out>(this, taskSignature(name, [...args], kwargs, own, immutable));
  }

  /**
   * Reads a signature's JSON form, ours or Python's: a task, chain, group, chord, chunks, map or starmap.
   * @throws WorkflowError when the value is no signature.
   */
  signatureFrom<In extends readonly unknown[] = readonly unknown[], Out = unknown>(
    json: unknown,
  ): Signature<In, Out> {
    const wire = readSignature(json, 'the value');
    normalize(wire); // Checks the signatures within, too.
    return signatureOf<In, Out>(this, wire);
  }

  /** A group that was saved by `GroupResult.save`, here or in Python; undefined when there is none, or none any more. */
  async restoreGroup<R = readonly unknown[]>(id: string): Promise<GroupResult<R> | undefined> {
    const tuple = await groupRecords(await this.#results()).get(checkName(id, 'the id'));
    const group = fromTuple(tuple, this.results);
    return group instanceof GroupResult ? group : undefined;
  }

  /**
   * Defines a remote-control command that workers of this application answer: `umbel inspect clear_cache`, or
   * `control.ask('clear_cache', { prefix: 'a' })`.
   * @throws ConfigError, AlreadyRegisteredError
   */
  command(name: string, command: RemoteCommand): void {
    addCommand(this.commands, name, command);
  }

  /**
   * Adds code around each send and each run. The first that is added is the outermost. `run` works in the children of pools, too, if the
   * application's module adds it.
   * @throws ConfigError, UnknownOptionError
   * @example
   * app.use({
   *   async run(task, next) {
   *     const from = performance.now();
   *     try {
   *       return await next();
   *     } finally {
   *       console.log(task.name, performance.now() - from);
   *     }
   *   },
   * });
   */
  use(middleware: Middleware): this {
    this.middleware.add(middleware);
    return this;
  }

  /** The result of the call with this id, whoever sent it and when. */
  result<R = unknown>(id: string): AsyncResult<R> {
    return new AsyncResult<R>(checkName(id, 'the id'), this.results);
  }

  /**
   * The result for Celery's tuple form of a result, which a task returned or was given. Celery's `result_from_tuple`.
   * @throws ConfigError when the value is no such tuple
   * @example const inner = app.resultFromTuple(await outer.get());
   */
  resultFromTuple<R = unknown>(tuple: unknown): AsyncResult<R> {
    const result = Array.isArray(tuple) ? fromTuple(tuple, this.results) : null;
    if (result === null)
      throw new ConfigError(
        "this is no result's tuple: one is [[id, parent], null], or [[id, parent], [members]] of a group",
      );
    return result as AsyncResult<R>; // the one promise that the types make for the wire
  }

  /** The broker, opened once. @throws BrokerUnavailable, ConfigError */
  async broker(): Promise<Transport> {
    return (await this.open()).transport;
  }

  /** The result backend, opened once; `null` when none is configured. */
  async backend(): Promise<ResultBackend | null> {
    return (await this.open()).backend;
  }

  /**
   * Asks the broker, and the result backend if there is one, whether they answer: for health checks. kombu's `ensure_connection`, but it
   * tries once.
   * @throws BrokerUnavailable when one of them is away or has not answered within `timeout` (seconds, default 5); ConfigError, StoreError
   * @example await app.ensureConnection({ timeout: 2 });
   */
  ensureConnection(options: EnsureConnectionOptions = {}): Promise<void> {
    return ensureConnection(this, options);
  }

  /** The stores, if they are open. @internal */
  get stores(): Stores | null {
    return this.#stores;
  }

  /** The stores are being opened. @internal */
  get opening(): boolean {
    return this.#opening !== null && this.#stores === null && !this.#closed;
  }

  /** Makes it use these stores. For a pool's child, whose worker has them open. @internal */
  useStores(stores: Stores): void {
    this.#stores = stores;
    this.#opening = Promise.resolve(stores);
  }

  /** What is said to who uses it after its end. @internal */
  closedError(): ConfigError {
    return new ConfigError(`the application '${this.name}' is closed`);
  }

  /** @internal */
  open(): Promise<Stores> {
    if (this.#closed) return Promise.reject(this.closedError());
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Closes its connections. Calls that returned before are sent. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true;
    const stores = await this.#opening?.catch(() => null);
    this.#stores = null;
    await this.history.close();
    await stores?.history?.close();
    await stores?.backend?.close();
    await stores?.transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<Stores> {
    const { broker, backend: backendUrl, resultExpires } = this.config;
    const expiresMs = resultExpires === null ? null : resultExpires * 1000;
    let transport: Transport | null = null;
    try {
      const { declared: queues, missing } = this.topology;
      transport = await openTransport(broker, { queues, missing, driver: brokerOptions(this.config) });
      const backend =
        backendUrl === null
          ? null
          : await openBackend(backendUrl, { expiresMs, broker, driver: backendOptions(this.config) });
      const history = await HistoryWriter.open(
        transport,
        this.config.taskHistory,
        this.config.taskHistoryLimit,
      );
      const stores: Stores = { transport, backend, history };
      this.#stores = stores;
      return stores;
    } catch (error) {
      this.#opening = null; // the next call tries again
      await transport?.close();
      throw error;
    }
  }
}
