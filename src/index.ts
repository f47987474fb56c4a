// The public surface of `umbel`.
export { App } from './app/app.ts';
export type { Actor, AuditLog, ListAuditOptions } from './app/audit.ts';
export type { ChordMember, ChordStatus, OpenChords, RetryMemberChanges } from './app/chords.ts';
export type { RemoteCommand } from './app/commands.ts';
export {
  type ChordOptions,
  chain,
  chord,
  chunks,
  group,
  map,
  type SettledOf,
  starmap,
} from './app/compose.ts';
export type {
  DeadCall,
  DeadLetter,
  DeadLetterChoice,
  DeadLetterFilter,
  DeadLetterPace,
  DeadLetters,
  DeadLettersChanged,
  ListDeadLetters,
} from './app/dead-letters.ts';
export type { Middleware } from './app/middleware.ts';
export type {
  BrokerQueues,
  MoveQueueOptions,
  PeekQueueOptions,
  PurgeQueueOptions,
  QueueState,
  RescheduleChanges,
  RescheduleOptions,
  TasksChanged,
  WaitingChoice,
  WaitingTask,
} from './app/queues.ts';
export type { Registry } from './app/registry.ts';
export type { RetryJob, RetryJobStatus, RunRetryJobOptions } from './app/retry-job.ts';
export { currentTask } from './app/running/context.ts';
export { Ignore, type Outcome, Reject, Retry } from './app/running/outcome.ts';
export type { TaskRequest } from './app/running/request.ts';
export type { Scheduled, ScheduleOptions } from './app/schedule.ts';
export type { Signal, SignalName, SignalPayloads, Signals } from './app/signals.ts';
export type { AnySignature, Errback, Frozen, Group, Signature } from './app/signature.ts';
export type { StreamedChord, StreamedGroup } from './app/streamed-group.ts';
export type { AnyTask, BoundTask, ErrorClass, KeywordTask, Task, TaskOptions } from './app/task.ts';
export type {
  HistoryListOptions,
  HistoryStatus,
  RetryAllOptions,
  RetryTaskChanges,
  TaskHistory,
} from './app/task-history.ts';
export type { ResolvedTaskOptions } from './app/task-options.ts';
export type {
  BeatSchedule,
  BeatScheduleEntry,
  ScheduledCall,
  ScheduledCallOptions,
  ScheduledRun,
  SchedulePolicy,
  When,
} from './config/beat-schedule.ts';
export type { CallOptions, RetryPolicy, SendOptions } from './config/call-options.ts';
export type { AppOptions, Config, Settings } from './config/config.ts';
export type { TlsOptions } from './config/driver-options.ts';
export type { ClusterRate, Concurrency, LimitKey, QueueLimits } from './config/limit-options.ts';
export type { Priority, PriorityName } from './config/priority.ts';
export { type ExchangeOptions, type QueueOptions, type Queues, workerDirect } from './config/queues.ts';
export type { RetryOptions } from './config/retry-options.ts';
export type { Route, RouteEntries, RouteFunction, RouteOptions, Routes } from './config/router.ts';
export type { ObjectSchema, SchemaInput, SchemaOutput, StandardSchema } from './config/standard-schema.ts';
export type { Unique, UniquePolicy } from './config/unique-options.ts';
export type { SignatureOptions } from './config/wire-options.ts';
export {
  AlreadyRegisteredError,
  type ArgumentIssue,
  BrokerBlocked,
  BrokerUnavailable,
  CannotAuditError,
  CannotChangeWaitingError,
  CannotPauseError,
  CannotPeekError,
  CannotReleaseError,
  ChordError,
  ChordRepairError,
  ConfigError,
  DuplicateTaskError,
  InvalidArgumentsError,
  LeaseLostError,
  MaxRetriesExceeded,
  MiddlewareError,
  NotReplayableError,
  NotSerializableError,
  PartlySentError,
  PayloadTooLargeError,
  QuerySyntaxError,
  ReservedNameError,
  ResultBackendDisabledError,
  RetryJobError,
  SendUnconfirmed,
  SoftTimeLimitExceeded,
  StoreError,
  StoreLostError,
  StoreVersionError,
  SyncSubtaskError,
  TaskFailedError,
  TaskNotRetriableError,
  TaskRevokedError,
  TimeLimitExceeded,
  TimeoutError,
  UmbelError,
  UnknownOptionError,
  UnknownScheduleError,
  UnknownTaskError,
  UnroutableError,
  WorkerShutdown,
  WorkflowError,
} from './errors.ts';
export type { TaskAttempt, TaskRecord } from './history/record.ts';
export type { Duration } from './lib/duration.ts';
export type { Logger, TaskLogger } from './lib/logger.ts';
export type { Service } from './lib/service.ts';
export { PythonException } from './protocol/exception.ts';
export type { WireSignature } from './protocol/message.ts';
export type { ResultRecord, ResultTuple, TaskState, WireException } from './protocol/result-meta.ts';
export { Decimal, PlainDate, PlainTime, Uuid } from './protocol/values.ts';
export type { Settled } from './protocol/workflow-wire.ts';
export {
  AsyncResult,
  type GetOptions,
  GroupResult,
  type ReadResultOptions,
  type RevokeResultOptions,
} from './results/async-result.ts';
export type { Progress } from './results/progress.ts';
export type { ResultGraph, ResultNode } from './results/result-tree.ts';
export type { CronField } from './schedules/cron-fields.ts';
export { type CronFields, type Crontab, type CrontabOptions, crontab } from './schedules/crontab.ts';
export { type Every, type EveryOptions, every } from './schedules/every.ts';
export type { Schedule, ScheduleContext } from './schedules/schedule.ts';
export type { ScheduleJson } from './schedules/schedule-json.ts';
export { type Solar, type SolarEvent, solar } from './schedules/solar.ts';
export type { AuditEntry } from './stores/audit-store.ts';
export type { HistoryPage } from './stores/history-store.ts';
export type { FailedRequest } from './workflow/failed-request.ts';
export type { StampingVisitor, Stamps } from './workflow/stamp.ts';
