// Every public error. Each has a stable `code` and a message that names the thing and the way out, and keeps its `cause`.

/** The base of all errors that Umbel throws. `code` is stable: test it, not the message. */
export class UmbelError extends Error {
  /** Stable, for programs: `UMBEL_UNKNOWN_TASK`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A setting is unknown, contradictory or out of range. Correct the configuration. */
export class ConfigError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_CONFIG', message, options);
  }
}

/** A queue cannot have this name, since stores keep something else under it. Choose another name. */
export class ReservedNameError extends UmbelError {
  /** The name that is reserved. */
  readonly queue: string;

  constructor(queue: string, why: string) {
    super('UMBEL_RESERVED_NAME', `no queue can be named '${queue}': ${why}; choose another name`);
    this.queue = queue;
  }
}

/** A call or a task has an option that Umbel does not know. */
export class UnknownOptionError extends UmbelError {
  /** The name that is not known. */
  readonly option: string;

  constructor(option: string, where: string, hint: string | undefined) {
    super(
      'UMBEL_UNKNOWN_OPTION',
      `unknown option '${option}' in ${where}${hint ? `; did you mean '${hint}'?` : ''}`,
    );
    this.option = option;
  }
}

/** No task of this name is registered in this application. Celery's NotRegistered. */
export class UnknownTaskError extends UmbelError {
  /** The name that is not known. */
  readonly task: string;

  constructor(task: string, hint: string | undefined) {
    super(
      'UMBEL_UNKNOWN_TASK',
      `no task named '${task}'; ${hint ? `did you mean '${hint}'?` : 'is the module that defines it imported by the application?'}`,
    );
    this.task = task;
  }
}

/** The store of schedules has no schedule of this name. */
export class UnknownScheduleError extends UmbelError {
  /** The name that is not known. */
  readonly schedule: string;

  constructor(schedule: string, hint: string | undefined) {
    super(
      'UMBEL_UNKNOWN_SCHEDULE',
      `no schedule named '${schedule}'; ${hint ? `did you mean '${hint}'?` : 'see: umbel schedule list'}`,
    );
    this.schedule = schedule;
  }
}

/** A second task was registered under a name that is taken. Celery's AlreadyRegistered. */
export class AlreadyRegisteredError extends UmbelError {
  /** The name that was defined twice. */
  readonly task: string;

  constructor(task: string) {
    super(
      'UMBEL_ALREADY_REGISTERED',
      `a task named '${task}' is already registered; give one of the two another name`,
    );
    this.task = task;
  }
}

/** One fault in a call's arguments, and its place. */
export interface ArgumentIssue {
  /** JSONPath-like, `$` being the input: `$.rows[3].id`. */
  readonly path: string;
  /** What is wrong with it, in words. */
  readonly message: string;
}

/** The arguments of a call do not fit the task's schema. Thrown at the caller, and on the worker before the body runs. */
export class InvalidArgumentsError extends UmbelError {
  /** The name of the task that was called. */
  readonly task: string;
  /** Each thing that is wrong, with its place. */
  readonly issues: readonly ArgumentIssue[];

  constructor(task: string, issues: readonly ArgumentIssue[]) {
    super(
      'UMBEL_INVALID_ARGUMENTS',
      `the arguments of '${task}' do not fit: ${issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ')}`,
    );
    this.task = task;
    this.issues = issues;
  }
}

/** A value has no form on the wire. `path` is its place: `$.rows[3].id`. Celery's EncodeError. */
export class NotSerializableError extends UmbelError {
  /** The place of the value: `args[0].user`. */
  readonly path: string;

  constructor(path: string, what: string, options?: ErrorOptions) {
    super('UMBEL_NOT_SERIALIZABLE', `${path} cannot be serialized: ${what}`, options);
    this.path = path;
  }
}

/** A message is larger than `maxMessageSize`. Store the data elsewhere and send its id. */
export class PayloadTooLargeError extends UmbelError {
  /** Its size, bytes. */
  readonly size: number;
  /** The most that is allowed, bytes. */
  readonly limit: number;

  constructor(what: string, size: number, limit: number) {
    super(
      'UMBEL_PAYLOAD_TOO_LARGE',
      `${what} takes ${size} bytes, the limit is ${limit}; store the data elsewhere and send its id (maxMessageSize)`,
    );
    this.size = size;
    this.limit = limit;
  }
}

/** The broker or store cannot be reached, or refuses: down, full, read-only, locked. Nothing was sent; it is safe to try again. */
export class BrokerUnavailable extends UmbelError {
  constructor(message: string, options?: ErrorOptions, code = 'UMBEL_BROKER_UNAVAILABLE') {
    super(code, message, options);
  }
}

/**
 * The broker takes connections but no messages: RabbitMQ has raised its memory or disk alarm. Nothing was sent. It is safe to try
 * again, but useless before the alarm is over.
 */
export class BrokerBlocked extends BrokerUnavailable {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, 'UMBEL_BROKER_BLOCKED');
  }
}

/**
 * The broker did not confirm the message in time: it may or may not have it. Sending it again under the same id is
 * harmless.
 */
export class SendUnconfirmed extends UmbelError {
  /** The ids of the tasks that may or may not have been sent: send them again with `taskId`. */
  readonly taskIds: readonly string[];

  constructor(taskIds: readonly string[], why: string, options?: ErrorOptions) {
    const what = taskIds.length === 1 ? `task ${taskIds[0]}` : `${taskIds.length} tasks`;
    super(
      'UMBEL_SEND_UNCONFIRMED',
      `${what} may or may not have been sent: ${why}; sending again with the same taskId is harmless`,
      options,
    );
    this.taskIds = taskIds;
  }
}

/** The exchange has no binding for the routing key, so that no queue would get the message. Nothing was sent. */
export class UnroutableError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_UNROUTABLE', message, options);
  }
}

/** A store's file is damaged, of another version, or not Umbel's. */
export class StoreError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_STORE', message, options);
  }
}

/** A task of the history cannot be run again. Nothing was sent. */
export class TaskNotRetriableError extends UmbelError {
  /** The id of the task that was to run again. */
  readonly taskId: string;
  /** Why it cannot, in words. */
  readonly reason: string;

  constructor(taskId: string, reason: string) {
    super('UMBEL_NOT_RETRIABLE', `${taskId} cannot be run again: ${reason}`);
    this.taskId = taskId;
    this.reason = reason;
  }
}

/** A job that runs tasks again does not exist, has ended, or is run by another process. */
export class RetryJobError extends UmbelError {
  /** The job's id. */
  readonly jobId: string;

  constructor(jobId: string, problem: string) {
    super('UMBEL_RETRY_JOB', `the job ${jobId} ${problem}`);
    this.jobId = jobId;
  }
}

/** A chord, or a member of it, cannot be repaired in this way. Nothing was changed. */
export class ChordRepairError extends UmbelError {
  /** The id of the chord's group. */
  readonly chordId: string;

  constructor(chordId: string, problem: string) {
    super('UMBEL_CHORD_REPAIR', `the chord ${chordId} ${problem}`);
    this.chordId = chordId;
  }
}

/** The messages of this broker cannot be looked at without harm to them. */
export class CannotPeekError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_CANNOT_PEEK';
  /** The queue that was to be looked into. */
  readonly queue: string;

  constructor(broker: string, queue: string) {
    super(
      `the messages in '${queue}' cannot be shown: a message of ${broker} can only be taken and given back, which marks it as delivered before. A recorder hears of what is sent with taskSendSentEvent: umbel tasks list 'queue:${queue} state:pending'`,
    );
    this.queue = queue;
  }
}

/** The broker cannot choose among the messages that wait in a queue, or not change them at all. Nothing was done. */
export class CannotChangeWaitingError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_CANNOT_CHANGE_WAITING';
  /** The queue whose messages were to be changed. */
  readonly queue: string;

  constructor(broker: string, queue: string) {
    super(
      `the messages in '${queue}' cannot be chosen by what they contain: ${broker} has no way to look at a message that waits without taking it. Move the next ones, whatever they are (umbel queues move ${queue} TO -n 100); or cancel tasks that a recorder knows: umbel tasks revoke --query`,
    );
    this.queue = queue;
  }
}

/** Neither the broker nor the result backend can keep what is paused. Nothing was done. */
export class CannotPauseError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_CANNOT_PAUSE';

  constructor(broker: string, backend: string | null) {
    super(
      `${broker} cannot keep what is paused, and neither can the results (${backend ?? 'none are kept'}): keep results in Redis, PostgreSQL or SQLite; or tell the workers that run now to leave a queue: umbel control cancel_consumer QUEUE`,
    );
  }
}

/** The broker does not tell which messages workers hold, and takes none back from them. Nothing was done. */
export class CannotReleaseError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_CANNOT_RELEASE';
  /** The queue that was asked for. */
  readonly queue: string;

  constructor(broker: string, queue: string) {
    super(
      `what workers hold of '${queue}' is known to ${broker} alone, which gives it to others when the worker's connection ends: stop that worker (umbel control shutdown -d NAME)`,
    );
    this.queue = queue;
  }
}

/** Neither the broker nor the result backend can keep the audit log: it is off. */
export class CannotAuditError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_CANNOT_AUDIT';

  constructor(broker: string, backend: string | null) {
    super(
      `there is no audit log: ${broker} cannot keep it, and neither can the results (${backend ?? 'none are kept'}). Keep results in Redis, PostgreSQL or SQLite`,
    );
  }
}

/** Another program put these dead letters there, and they do not name their queue: they can only be discarded. */
export class NotReplayableError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_NOT_REPLAYABLE';
  /** The dead letters that cannot be replayed. */
  readonly ids: readonly number[];

  constructor(ids: readonly number[]) {
    super(
      `dead letters of another program do not name their queue, so that they can only be discarded: ${ids.slice(0, 10).join(', ')}${ids.length > 10 ? ' …' : ''}`,
    );
    this.ids = ids;
  }
}

/** A store has the names and tables of another version of Umbel. Nothing was changed; the message names the way out. */
export class StoreVersionError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_STORE_VERSION';
  /** The version that the store has. */
  readonly found: number;
  /** The version that this Umbel reads and writes. */
  readonly known: number;

  constructor(store: string, found: number, known: number, fresh: string) {
    const wayOut =
      found > known
        ? `update this Umbel, or ${fresh}`
        : `let the Umbel that wrote it finish what it holds, then ${fresh}`;
    super(`the store ${store} has version ${found}, and this Umbel knows version ${known}: ${wayOut}`);
    this.found = found;
    this.known = known;
  }
}

/**
 * The embedded store's file was deleted, replaced or damaged while it was in use: what is written now would be lost. Restore the file,
 * or begin with an empty one, and start the program again. A worker ends by itself.
 */
export class StoreLostError extends StoreError {
  /** Stable, for programs. */
  override readonly code: string = 'UMBEL_STORE_LOST';
}

/** A pool's processes or threads cannot run tasks, since the application cannot be loaded there. */
export class PoolError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_POOL', message, options);
  }
}

/** A middleware (`app.use`) did not call `next` as it must: once, and awaited. A call in `send` was then not sent. */
export class MiddlewareError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_MIDDLEWARE', message, options);
  }
}

/** A result was asked for, but the application has no result backend. */
export class ResultBackendDisabledError extends UmbelError {
  constructor(app: string | null) {
    const subject = app === null ? 'this application' : `the application '${app}'`;
    super('UMBEL_NO_RESULT_BACKEND', `${subject} keeps no results; set 'backend' (UMBEL_RESULT_BACKEND)`);
  }
}

/**
 * A workflow that takes several publications was sent in part: one of them failed (see `cause`). Sending the same frozen
 * workflow again (`workflow.freeze()` before the first time) is harmless: tasks that were sent keep their ids.
 */
export class PartlySentError extends UmbelError {
  /** Ids of the tasks that were sent. */
  readonly sent: readonly string[];
  /** Ids of the tasks that may or may not have been sent. */
  readonly unconfirmed: readonly string[];
  /** Ids of the tasks that were not sent, as far as they are known. */
  readonly unsent: readonly string[];

  constructor(
    tasks: { sent: readonly string[]; unconfirmed: readonly string[]; unsent: readonly string[] },
    options?: ErrorOptions,
  ) {
    const { sent, unconfirmed, unsent } = tasks;
    const why = options?.cause instanceof Error ? `: ${options.cause.message}` : '';
    super(
      'UMBEL_PARTLY_SENT',
      `${sent.length} tasks of the workflow were sent, ${unconfirmed.length} may have been, ${unsent.length} were not${why}; sending the same frozen workflow again is harmless`,
      options,
    );
    this.sent = sent;
    this.unconfirmed = unconfirmed;
    this.unsent = unsent;
  }
}

/** A workflow cannot be made or run: it is malformed, or needs a store that the application does not have. */
export class WorkflowError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_WORKFLOW', message, options);
  }
}

/**
 * A task waited for the result of another task. It holds a slot meanwhile, which the other task may need: enough such tasks wait for
 * ever. Celery's "Never call result.get() within a task!".
 */
export class SyncSubtaskError extends UmbelError {
  constructor(task: string, waitedFor: string) {
    super(
      'UMBEL_SYNC_SUBTASK',
      `the task '${task}' must not wait for ${waitedFor}: make them a chain or a chord, or return task.replace(…); if there are certainly free slots elsewhere, get({ allowSyncSubtasks: true })`,
    );
  }
}

/** `get()` waited for its whole timeout. The task may still run. Celery's TimeoutError. */
export class TimeoutError extends UmbelError {
  constructor(message: string) {
    super('UMBEL_TIMEOUT', message);
  }
}

/** The failure in a task's record. */
export interface RemoteFailure {
  /** `ValueError`; Celery's `exc_type`. */
  readonly type: string;
  /** As Python's `str(exception)`. */
  readonly message: string;
  readonly stack: string | null;
  readonly module: string;
  readonly args: readonly unknown[];
}

/**
 * A task failed, mostly in another process. A task that rethrows this error fails with the same type and arguments. Thrown by
 * `get()`.
 */
export class TaskFailedError extends UmbelError {
  /** The id of the task that failed. */
  readonly taskId: string;
  /** The name of the error's type there: `ValueError`, `TypeError`. */
  readonly remoteType: string;
  /** The message of its error, as the worker had it. */
  readonly remoteMessage: string;
  /** The error's stack or Python traceback, if the record has it. */
  readonly remoteStack: string | null;
  /** Python's module of the type: `builtins`, `shop.errors`; `javascript` for errors of our workers; '' if the record has none. */
  readonly remoteModule: string;
  /** The arguments of the exception: Python's `e.args`. */
  readonly remoteArgs: readonly unknown[];

  constructor(taskId: string, remote: RemoteFailure) {
    super('UMBEL_TASK_FAILED', `task ${taskId} failed: ${remote.type}: ${remote.message}`);
    this.taskId = taskId;
    this.remoteType = remote.type;
    this.remoteMessage = remote.message;
    this.remoteStack = remote.stack;
    this.remoteModule = remote.module;
    this.remoteArgs = remote.args;
  }
}

/** A chord's body did not run, because a member of its header failed. Thrown by `get()`. Celery's ChordError. */
export class ChordError extends TaskFailedError {
  /** The member that failed, if the error names it. */
  readonly memberId: string | null;

  constructor(taskId: string, remote: RemoteFailure) {
    super(taskId, remote);
    this.memberId = /^Dependency (\S+) raised /.exec(remote.message)?.[1] ?? null;
  }
}

/** The task was revoked, or expired, before it ended. Thrown by `get()`. Celery's TaskRevokedError. */
export class TaskRevokedError extends UmbelError {
  /** The id of the task that was revoked. */
  readonly taskId: string;
  /** `revoked`, `terminated` or `expired`. */
  readonly reason: string;

  constructor(taskId: string, reason: string) {
    super('UMBEL_TASK_REVOKED', `task ${taskId} was ${reason}`);
    this.taskId = taskId;
    this.reason = reason;
  }
}

/** A task with the same unique key waits or runs already, and nothing was sent. `existingId`: the id of that task. */
export class DuplicateTaskError extends UmbelError {
  /** The id of the task that holds the lock. */
  readonly existingId: string;

  constructor(key: string, existingId: string) {
    super(
      'UMBEL_DUPLICATE_TASK',
      `a task with the unique key '${key}' exists already: ${existingId}; wait for its end, or give the task another policy (unique: { policy })`,
    );
    this.existingId = existingId;
  }
}

/** A task asked for more retries than `maxRetries` allows. Celery's MaxRetriesExceededError. */
export class MaxRetriesExceeded extends UmbelError {
  constructor(task: string, id: string, maxRetries: number, options?: ErrorOptions) {
    super('UMBEL_MAX_RETRIES', `can't retry ${task}[${id}] more than ${maxRetries} times`, options);
  }
}

/** The task ran longer than its soft time limit. The reason of its `AbortSignal`. Celery's SoftTimeLimitExceeded. */
export class SoftTimeLimitExceeded extends UmbelError {
  /** The limit, seconds. */
  readonly seconds: number;

  constructor(seconds: number) {
    super('UMBEL_SOFT_TIME_LIMIT', `the task exceeded its soft time limit of ${seconds} s`);
    this.seconds = seconds;
  }
}

/** The task ran longer than its hard time limit and was settled as failed. Celery's TimeLimitExceeded. */
export class TimeLimitExceeded extends UmbelError {
  /** The limit, seconds. */
  readonly seconds: number;

  constructor(seconds: number) {
    super('UMBEL_TIME_LIMIT', `the task exceeded its time limit of ${seconds} s`);
    this.seconds = seconds;
  }
}

/** The worker's lease on the task has passed to another worker: it stood still, or was taken for dead. The reason of the task's `AbortSignal`. */
export class LeaseLostError extends UmbelError {
  constructor(message = 'the lease on this task has passed to another worker; what it returns is discarded') {
    super('UMBEL_LEASE_LOST', message);
  }
}

/** The worker shuts down cold. The reason of the `AbortSignal` of tasks that it gives back. */
export class WorkerShutdown extends UmbelError {
  constructor() {
    super('UMBEL_WORKER_SHUTDOWN', 'the worker is shutting down; the task goes back to its queue');
  }
}

/** A question to the history of tasks cannot be understood. */
export class QuerySyntaxError extends UmbelError {
  /** The query as it was given. */
  readonly query: string;
  /** Where in the query it goes wrong: how many characters stand before it. */
  readonly position: number;

  constructor(query: string, position: number, problem: string) {
    super('UMBEL_QUERY', `${problem} (at character ${position + 1} of the query)`);
    this.query = query;
    this.position = position;
  }
}
