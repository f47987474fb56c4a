// The public surface of `umbel`.
export { App } from './app/app.ts';
export type { CallOptions, RetryPolicy, SendOptions } from './app/call-options.ts';
export type { AppOptions, Config, Settings, TlsOptions } from './app/config.ts';
export { currentTask } from './app/context.ts';
export { Ignore, type Outcome, Reject, Retry, type RetryOptions } from './app/outcome.ts';
export type { Priority, PriorityName } from './app/priority.ts';
export type { ExchangeOptions, QueueOptions, Queues } from './app/queues.ts';
export type { Registry } from './app/registry.ts';
export type { TaskRequest } from './app/request.ts';
export type { Route, RouteEntries, RouteFunction, RouteOptions, Routes } from './app/router.ts';
export type {
  BeatSchedule,
  BeatScheduleEntry,
  Scheduled,
  ScheduledCall,
  ScheduledCallOptions,
  ScheduledRun,
  ScheduleOptions,
  SchedulePolicy,
  SignatureLike,
  When,
} from './app/schedule.ts';
export type { Signal, SignalName, SignalPayloads, Signals } from './app/signals.ts';
export type { ObjectSchema, SchemaInput, SchemaOutput, StandardSchema } from './app/standard-schema.ts';
export type { AnyTask, BoundTask, ErrorClass, KeywordTask, Task, TaskOptions } from './app/task.ts';
export type { ResolvedTaskOptions } from './app/task-options.ts';
export {
  AlreadyRegisteredError,
  type ArgumentIssue,
  BrokerBlocked,
  BrokerUnavailable,
  ConfigError,
  InvalidArgumentsError,
  LeaseLostError,
  MaxRetriesExceeded,
  NotSerializableError,
  PayloadTooLargeError,
  ResultBackendDisabledError,
  SendUnconfirmed,
  SoftTimeLimitExceeded,
  StoreError,
  TaskFailedError,
  TaskRevokedError,
  TimeLimitExceeded,
  TimeoutError,
  UmbelError,
  UnknownOptionError,
  UnknownScheduleError,
  UnknownTaskError,
  UnroutableError,
  WorkerShutdown,
} from './errors.ts';
export type { Duration } from './lib/duration.ts';
export type { Logger } from './lib/logger.ts';
export type { Service } from './lib/service.ts';
export type { ResultRecord, TaskState } from './protocol/result-meta.ts';
export { Decimal, PlainDate, PlainTime, Uuid } from './protocol/values.ts';
export { AsyncResult, type GetOptions } from './results/async-result.ts';
export type { CronField } from './schedules/cron-fields.ts';
export { type CronFields, type Crontab, type CrontabOptions, crontab } from './schedules/crontab.ts';
export { type Every, type EveryOptions, every } from './schedules/every.ts';
export type { Schedule, ScheduleContext } from './schedules/schedule.ts';
export type { ScheduleJson } from './schedules/schedule-json.ts';
export { type Solar, type SolarEvent, solar } from './schedules/solar.ts';
