// Asking workers what they do, and telling them what to do: Celery's remote control.
import type { App } from '../app/app.ts';
import { CannotPauseError, ConfigError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { ascii } from '../lib/json-writer.ts';
import { isRecord } from '../lib/narrow.ts';
import { processOwner } from '../lib/process-owner.ts';
import type { Json } from '../protocol/message.ts';
import { checkRevocations, stampRevocation, taskRevocation, workflowRevocation } from '../stores/fanout.ts';
import { type Pause, type PauseStore, pausesOf } from '../stores/pauses.ts';
import { Inspect, type TaskInfo, type Typed } from './inspect.ts';
import { type Answers, Mailbox, type Recipients } from './mailbox.ts';
import type { WhyAnswer } from './why.ts';

const againMs = 250;
/** How many ids one command has. */
const revokedTogether = 1_000;

export type { Answers, Pause, Recipients, TaskInfo, Typed, WhyAnswer };
export { Inspect };

/** To which workers a command goes, and how long their replies are awaited. */
export interface ControlOptions extends Recipients {
  /** How long replies are gathered. Default 1 s. A broker that has not taken the command by then (3 s at least) is away. */
  readonly timeout?: Duration;
  /** The number of replies that are enough. Default: as many as `destination` names, else all that come within `timeout`. */
  readonly limit?: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Called with each reply when it comes. */
  readonly onReply?: (node: string, value: unknown) => void;
}

/** What `revoke` does with a task that runs. */
export interface RevokeOptions extends ControlOptions {
  /** End the task if it runs. Default false. */
  readonly terminate?: boolean;
  /** The signal for `terminate`, in a pool of processes. Default `SIGTERM`. */
  readonly signalName?: string;
}

/** Options of `revokeAll`: as of `revoke`, and a dry run. */
export interface RevokeAllOptions extends RevokeOptions {
  /** Only finds the tasks. Default false. */
  readonly dryRun?: boolean;
}

/** The last reply of each worker, and the tasks that were revoked. */
export interface Revoked extends Answers {
  /** The tasks that were revoked. */
  readonly ids: readonly string[];
}

/** What is paused: a queue, or all tasks of a name. */
export type Pausable = { readonly queue: string } | { readonly task: string };

/** Options of `pause` and `resume`. */
export interface PauseOptions extends ControlOptions {
  /** Who pauses it, for others. Default: the user of this process, and its host. */
  readonly by?: string;
  /** For others. Default: empty. */
  readonly reason?: string;
}

/** How long a revocation lasts, milliseconds: as Celery's CELERY_WORKER_REVOKES_EXPIRES. */
export const revokedMs = 10_800_000;

/**
 * Remote control of the workers of an application's broker: ours and Python's.
 * @example
 * await using control = new Control(app);
 * const { replies, silent } = await control.inspect().active();
 * await control.revoke('d9078da5…', { terminate: true });
 */
export class Control implements AsyncDisposable {
  readonly #app: App;
  readonly #mailbox: Mailbox;

  constructor(app: App) {
    this.#app = app;
    this.#mailbox = new Mailbox(app);
  }

  /** Commands that only read. */
  inspect(options: ControlOptions = {}): Inspect {
    return new Inspect((method, args) => this.ask(method, args, options));
  }

  /** Sends a command of any name, and gathers the replies. @throws BrokerUnavailable, ConfigError */
  ask(method: string, args: Json = {}, options: ControlOptions = {}): Promise<Answers> {
    const { timeout = 1, ...rest } = options;
    if (rest.limit !== undefined && !(Number.isInteger(rest.limit) && rest.limit > 0))
      throw new ConfigError(`limit must be a whole number above 0, not ${String(rest.limit)}`);
    return this.#mailbox.ask(method, args, { ...rest, timeoutMs: toMs(timeout, 'timeout') });
  }

  /** Sends a command of any name, and does not wait for replies. @throws BrokerUnavailable */
  tell(method: string, args: Json = {}, recipients: Recipients = {}): Promise<void> {
    return this.#mailbox.tell(method, args, recipients);
  }

  /**
   * Why a task does not run, or where it is: asks stores, history and workers, walks its way and names the first obstacle. Of each queue the first
   * 1,000 messages are looked at (on RabbitMQ none).
   * @throws BrokerUnavailable
   * @example (await control.why(id)).text // "no worker serves its queue 'slow' …"
   */
  async why(id: string, options: Pick<ControlOptions, 'timeout' | 'signal'> = {}): Promise<WhyAnswer> {
    const { gatherFacts } = await import('./why-facts.ts');
    const { explain } = await import('./why.ts');
    return explain(await gatherFacts(this.#app, this.inspect(options), id));
  }

  /**
   * Asks which workers live.
   * @throws BrokerUnavailable
   */
  ping(options: ControlOptions = {}): Promise<Answers> {
    return this.ask('ping', {}, options);
  }

  /**
   * Revokes tasks: a worker that claims one from now on ends it as REVOKED, also a worker that starts later. Waiting and scheduled
   * messages are moved to the front of their queues for that (on RabbitMQ they keep their places). A running task
   * goes on, unless `terminate` is set.
   */
  async revoke(ids: string | readonly string[], options: RevokeOptions = {}): Promise<Answers> {
    return this.#revoke('revoke', 'task_id', ids, taskRevocation, options);
  }

  /**
   * Revokes all tasks that a query finds in the history and that have not ended, at most 50,000: see `revoke`. What waits for its time is ended at
   * once, what is ready ends at its turn (on RabbitMQ both end at their time). Tasks of which no recorder has heard are not found.
   * @throws ConfigError, QuerySyntaxError, BrokerUnavailable: some may have been revoked
   * @example const { ids } = await control.revokeAll('name:mail.* state:pending', { terminate: true });
   */
  async revokeAll(query: string, options: RevokeAllOptions = {}): Promise<Revoked> {
    const { openTasks, bringForward } = await import('./revoke-all.ts');
    const { dryRun = false, terminate = false, signalName = 'SIGTERM', ...rest } = options;
    const ids = await openTasks(this.#app, query);
    const replies = new Map<string, unknown>();
    const silent = new Set<string>();
    if (dryRun || ids.length === 0) return { ids, replies, silent: [] };
    const target = `${ids.length} found by ${query}`;
    await this.#app.audit.record(`task.${terminate ? 'terminate' : 'revoke'}`, target);
    const { revocations } = await this.#app.broker();
    // All are stored before the first is broadcast, for workers that are away now.
    await revocations.put(checkRevocations(ids.map(taskRevocation)), Date.now() + revokedMs);
    for (let at = 0; at < ids.length; at += revokedTogether) {
      const some = ids.slice(at, at + revokedTogether);
      const answers = await this.ask('revoke', { task_id: some, terminate, signal: signalName }, rest);
      for (const [node, value] of answers.replies) replies.set(node, value);
      for (const node of answers.silent) silent.add(node);
    }
    await bringForward(this.#app, new Set(ids));
    return { ids, replies, silent: [...silent] };
  }

  /**
   * Cancels a whole workflow by the id of its root (`result.rootId`, `task.request.rootId`): tasks that wait, tasks that it will still send, and
   * with `terminate` running tasks. Tasks that wait for one of these fail. Errbacks are part of the workflow, and are not sent. Python's workers do
   * not know this command.
   */
  async revokeWorkflow(rootIds: string | readonly string[], options: RevokeOptions = {}): Promise<Answers> {
    return this.#revoke('revoke_workflow', 'root_id', rootIds, workflowRevocation, options);
  }

  async #revoke(
    method: string,
    argument: string,
    ids: string | readonly string[],
    revocationOf: (id: string) => string,
    options: RevokeOptions,
  ): Promise<Answers> {
    const all = typeof ids === 'string' ? [ids] : [...ids];
    const { terminate = false, signalName = 'SIGTERM', ...rest } = options;
    const kind = method === 'revoke' ? 'task' : 'workflow';
    await this.#app.audit.record(`${kind}.${terminate ? 'terminate' : 'revoke'}`, all.join(' '));
    // Stored before it is broadcast, for workers that are away now.
    const { revocations } = await this.#app.broker();
    await revocations.put(checkRevocations(all.map(revocationOf)), Date.now() + revokedMs);
    const answers = await this.ask(method, { [argument]: all, terminate, signal: signalName }, rest);
    await this.#promote(all.map((id) => [id]));
    return answers;
  }

  /** The same for tasks by their stamps: a task is revoked if it has one of these values under this name. */
  async revokeByStamps(
    headers: Readonly<Record<string, string | readonly string[]>>,
    options: RevokeOptions = {},
  ): Promise<Answers> {
    const { terminate = false, signalName = 'SIGTERM', ...rest } = options;
    const lists = Object.entries(headers).map(
      ([name, values]) => [name, typeof values === 'string' ? [values] : [...values]] as const,
    );
    const stamps = lists.map(([name, values]) => `${name}=${values.join(',')}`).join(' ');
    await this.#app.audit.record(`task.${terminate ? 'terminate' : 'revoke'}`, `stamps ${stamps}`);
    const { revocations } = await this.#app.broker();
    const wanted = lists.flatMap(([name, values]) => values.map((value) => stampRevocation(name, value)));
    await revocations.put(checkRevocations(wanted), Date.now() + revokedMs);
    const args = { headers: Object.fromEntries(lists), terminate, signal: signalName };
    const answers = await this.ask('revoke_by_stamped_headers', args, rest);
    await this.#promote(lists.flatMap(([name, values]) => values.map((value) => [`"${name}"`, value])));
    return answers;
  }

  /**
   * Moves waiting and scheduled messages to the front of their queues, so that the next free worker ends them. This comes after the workers know the
   * revocation, so that none runs them. A broker that cannot do that delivers them at their turn.
   */
  async #promote(groups: readonly (readonly string[])[]): Promise<void> {
    const broker = await this.#app.broker();
    if (groups.length === 0 || broker.promoteMatching === undefined) return;
    if ((await broker.promoteMatching(groups, { waiting: true })) >= groups.length) return;
    // A message that a worker was about to defer is in the schedule a moment later.
    await new Promise((resolve) => setTimeout(resolve, againMs));
    await broker.promoteMatching(groups, { waiting: true });
  }

  /**
   * Pauses a queue, or all tasks of a name: no worker of ours takes its messages until `resume`, also one that starts later. Kept with the
   * messages, or with the results where the broker cannot keep it. What runs is finished, and so is what a worker has claimed. Messages of a paused
   * task go back to their queue and are looked at again every few minutes: a queue costs nothing while it is paused.
   *
   * It is in effect when this resolves, for the workers that reply (`{ ok: 'paused: queue mail' }`); others look every ten seconds. A Python worker
   * takes the messages all the same, as its reply says (`{ error }`): `cancelConsumer(queue, { destination: [worker] })`. What is paused: `app.queues.paused()`, and `paused` of
   * `app.queues.list()`.
   * @throws CannotPauseError where no store can keep it; ConfigError for a broadcast queue; BrokerUnavailable: it may or may not be kept
   * @example await control.pause({ queue: 'mail' }, { by: 'ann', reason: 'the mail server is down' });
   */
  async pause(what: Pausable, options: PauseOptions = {}): Promise<Answers> {
    const { by = processOwner(), reason = '', ...rest } = options;
    const [kind, name] = pausable(what);
    if (kind === 'queue' && this.#app.topology.broadcast(name) !== undefined)
      throw new ConfigError(`'${name}' is a broadcast queue, which keeps no messages: it cannot be paused`);
    const store = await this.#pauses();
    await this.#app.audit.record(`${kind}.pause`, name, { user: by, reason });
    await store.put({ kind, name, since: new Date(), by, reason });
    return this.#reloadPauses(rest);
  }

  /**
   * Ends a pause. Deferred messages of a task are brought forward, where the broker can. Resolves as {@link Control.pause}. What is not paused stays so.
   * @throws CannotPauseError, BrokerUnavailable
   */
  async resume(what: Pausable, options: ControlOptions = {}): Promise<Answers> {
    const [kind, name] = pausable(what);
    const store = await this.#pauses();
    await this.#app.audit.record(`${kind}.resume`, name);
    await store.remove(kind, name);
    const answers = await this.#reloadPauses(options);
    if (kind === 'task') {
      const broker = await this.#app.broker();
      const texts = [JSON.stringify(name), ascii(JSON.stringify(name))];
      await broker.promoteMatching?.(
        texts.map((text) => [text]),
        { waiting: false },
      );
    }
    return answers;
  }

  async #reloadPauses(options: ControlOptions): Promise<Answers> {
    const { onReply } = options;
    const told =
      onReply === undefined
        ? options
        : { ...options, onReply: (node: string, reply: unknown) => onReply(node, pauseReply(reply)) };
    const { replies, silent } = await this.ask('reload_pauses', {}, told);
    return { replies: new Map([...replies].map(([node, reply]) => [node, pauseReply(reply)])), silent };
  }

  async #pauses(): Promise<PauseStore> {
    const stores = await this.#app.open();
    const store = await pausesOf(stores);
    if (store === null) throw new CannotPauseError(stores.transport.name, stores.backend?.name ?? null);
    return store;
  }

  /** Ends these tasks if they run, and revokes them. */
  terminate(ids: string | readonly string[], options: RevokeOptions = {}): Promise<Answers> {
    return this.revoke(ids, { ...options, terminate: true });
  }

  /** `rate`: `'10/s'`, `'100/m'`, `'2.5/h'`; 0: no limit. Applies to each worker; or to all together, also later ones, if the task's limit is shared. */
  rateLimit(task: string, rate: string | number, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('rate_limit', { task_name: task, rate_limit: rate }, options);
  }

  /** How many of a task with such a limit run at once, in all workers together, also later ones; 0: no limit. */
  concurrencyLimit(task: string, limit: number, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('concurrency_limit', { task_name: task, limit }, options);
  }

  /** Seconds, or `'10m'`. */
  timeLimit(
    task: string,
    limits: { readonly soft?: Duration | null; readonly hard?: Duration | null },
    options: ControlOptions = {},
  ): Promise<Answers> {
    const seconds = (given: Duration | null | undefined, name: string): number | null =>
      given === null || given === undefined ? null : toMs(given, name) / 1000;
    const { soft, hard } = limits;
    const args = { task_name: task, soft: seconds(soft, 'soft'), hard: seconds(hard, 'hard') };
    return this.ask('time_limit', args, options);
  }

  /**
   * Workers serve this queue, too, until they stop.
   * @throws BrokerUnavailable
   */
  addConsumer(queue: string, options: ControlOptions = {}): Promise<Answers> {
    const args = { queue, exchange: queue, exchange_type: 'direct', routing_key: queue };
    return this.ask('add_consumer', args, options);
  }

  /**
   * Workers serve this queue no longer. What they hold of it is finished.
   * @throws BrokerUnavailable
   */
  cancelConsumer(queue: string, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('cancel_consumer', { queue }, options);
  }

  /**
   * Workers send task events.
   * @throws BrokerUnavailable
   */
  enableEvents(options: ControlOptions = {}): Promise<Answers> {
    return this.ask('enable_events', {}, options);
  }

  /**
   * Workers send no task events.
   * @throws BrokerUnavailable
   */
  disableEvents(options: ControlOptions = {}): Promise<Answers> {
    return this.ask('disable_events', {}, options);
  }

  /**
   * Workers run `n` tasks more at a time.
   * @throws BrokerUnavailable
   */
  poolGrow(n = 1, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('pool_grow', { n }, options);
  }

  /**
   * Workers run `n` tasks fewer at a time. What runs is finished.
   * @throws BrokerUnavailable
   */
  poolShrink(n = 1, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('pool_shrink', { n }, options);
  }

  /**
   * Workers run between `min` and `max` tasks at a time, by load.
   * @throws BrokerUnavailable
   */
  autoscale(max: number, min: number, options: ControlOptions = {}): Promise<Answers> {
    return this.ask('autoscale', { max, min }, options);
  }

  /** Begins a warm shutdown. Neither Python's workers nor ours reply to it. */
  shutdown(recipients: Recipients = {}): Promise<void> {
    return this.tell('shutdown', {}, recipients);
  }

  /** Stops receiving replies. */
  close(): Promise<void> {
    return this.#mailbox.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function pausable(what: Pausable): readonly [Pause['kind'], string] {
  const [kind, name] = 'queue' in what ? (['queue', what.queue] as const) : (['task', what.task] as const);
  if (typeof name !== 'string' || name === '')
    throw new ConfigError(`the ${kind} to pause or resume has no name`);
  return [kind, name];
}

/** Celery's workers reply with the repr of an exception to a command that they do not know. */
function pauseReply(reply: unknown): unknown {
  if (!isRecord(reply) || reply.error !== "KeyError('reload_pauses')") return reply;
  return { error: 'knows no pauses: it takes messages of its queues all the same' };
}
