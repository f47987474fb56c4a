// The setting `beatSchedule`: the calls that beat sends, and their times.
import { flag, flagged, integer, oneOf, optional, orNull, seconds } from '../lib/checks.ts';
import type { Duration } from '../lib/duration.ts';
import { field, type Options } from '../lib/schema.ts';
import type { Json } from '../protocol/message.ts';
import type { Schedule } from '../schedules/schedule.ts';
import type { CallOptions } from './call-options.ts';
import type { SendableTask } from './sendable-task.ts';

/** The times of the runs: a schedule, an interval in seconds or like `'10m'`, or the five fields of a crontab. */
export type When = Schedule | Duration | Crontab;

/** Like `'0 3 * * *'`. */
type Crontab = `${string} ${string} ${string} ${string} ${string}`;

/** One run of a schedule, as a function that makes the arguments gets it. */
export interface ScheduledRun {
  /** The schedule's name. */
  readonly name: string;
  /** When it is due. The run may be sent later, never before. */
  readonly due: Date;
  /** The id of the run's task. */
  readonly taskId: string;
}

/** Options that make sense for a single call only, not for all calls of a schedule. */
export const ofOneCall = [
  'taskId',
  'eta',
  'signal',
  'rootId',
  'parentId',
  'groupId',
  'groupIndex',
  'addToParent',
  'replyTo',
] as const;

/** Options of a scheduled call: the options of a call that can be stored as data. A duration in `expires` counts from the time of sending. */
export type ScheduledCallOptions = Omit<CallOptions, (typeof ofOneCall)[number]>;

/** A call as in Celery's `beat_schedule`. Arguments may be a function, which is called when the run is sent. */
export interface ScheduledCall {
  /** The task, or its name. */
  readonly task: string | SendableTask;
  /** Its positional arguments, or a function that makes them for each run. */
  readonly args?:
    | readonly unknown[]
    | ((run: ScheduledRun) => readonly unknown[] | Promise<readonly unknown[]>);
  /** Its keyword arguments, or a function that makes them for each run. */
  readonly kwargs?: Json | ((run: ScheduledRun) => Json | Promise<Json>);
  /** Options of the calls: queue, priority, expiry and more. */
  readonly options?: ScheduledCallOptions;
  /** Never set: an object with `toJSON` is a signature. */
  readonly toJSON?: undefined;
}

export const schedulePolicy = {
  /**
   * Which missed runs are sent, after a time in which no beat ran, the broker was away or the clock jumped: the `last` one
   * (default; Celery's rule), `all` (the latest `missedLimit` of them), or only those that are not late (`skip`: a run later than
   * `startingDeadline` is left out).
   */
  missed: field(
    flagged(
      oneOf('last', 'all', 'skip'),
      '--missed <what>',
      'Of missed runs, send the last, all, or none (skip).',
    ),
    'last',
  ),
  /** With `all`: the largest number of missed runs that are sent. Default 100. */
  missedLimit: field(
    flagged(integer(1, 10_000), '--missed-limit <number>', 'With --missed all: send at most this number.'),
    100,
  ),
  /** A run that is later than this duration is not sent. Default: `null` = no limit; with `skip` 10 s, longer than a takeover between beats. */
  startingDeadline: optional(
    flagged(
      orNull(seconds({ from: 0 })),
      '--starting-deadline <duration>',
      'Do not send a run later than this after it was due.',
    ),
  ),
  /**
   * What happens to a run that is due before the previous run has ended: it is sent (`allow`, the default), left out (`skip`), or
   * one run is sent when the previous run has ended (`queue`). `skip` and `queue` need a result backend.
   */
  overlap: field(
    flagged(
      oneOf('allow', 'skip', 'queue'),
      '--overlap <what>',
      'While the run before has not ended: allow, skip, or queue one.',
    ),
    'allow',
  ),
  /** Each run is delayed by a random duration up to this. The delay follows from the run's id, so every beat computes the same. Default 0. */
  jitter: field(
    flagged(seconds({ from: 0 }), '--jitter <duration>', 'Delay each run by a random time up to this.'),
    0,
  ),
  /** false: the schedule is paused until it is resumed. */
  enabled: field(flag, true),
};

/** Options for missed runs, for runs that overlap, and for the delay of runs. */
export interface SchedulePolicy extends Options<typeof schedulePolicy> {}

/** One entry of `beatSchedule`, as in Celery. */
export interface BeatScheduleEntry extends ScheduledCall, SchedulePolicy {
  /** When to send it: seconds, `every`, `crontab`, `solar`, or a schedule of your own. */
  readonly schedule: When;
  /** Intervals aligned to the clock: see `every`. */
  readonly relative?: boolean;
}

/** Celery's `beat_schedule`: entries by name. */
export type BeatSchedule = Readonly<Record<string, BeatScheduleEntry>>;
