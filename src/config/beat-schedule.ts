// The setting `beatSchedule`: what is to be sent by itself, and when.
import { flag, flagged, integer, oneOf, optional, orNull, seconds } from '../lib/checks.ts';
import type { Duration } from '../lib/duration.ts';
import { field, type Options } from '../lib/schema.ts';
import type { Json } from '../protocol/message.ts';
import type { Schedule } from '../schedules/schedule.ts';
import type { CallOptions } from './call-options.ts';
import type { SendableTask } from './sendable-task.ts';

/** When: a schedule, seconds or `'10m'` between two runs, or the five fields of a crontab. */
export type When = Schedule | Duration | Crontab;

/** `'0 3 * * *'` */
type Crontab = `${string} ${string} ${string} ${string} ${string}`;

/** One run of a schedule, for arguments that are made when it is sent. */
export interface ScheduledRun {
  /** The schedule's name. */
  readonly name: string;
  /** When it is due. The run may be sent later, never before. */
  readonly due: Date;
  /** The id that its task gets. */
  readonly taskId: string;
}

/** Options of one call, not of all that a schedule sends. */
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

/** Options of a scheduled call: those of a call that can be kept as data. `expires` is counted from when it is sent. */
export type ScheduledCallOptions = Omit<CallOptions, (typeof ofOneCall)[number]>;

/** A call as Celery's `beat_schedule` writes it. Arguments may be a function, which is called when the run is sent. */
export interface ScheduledCall {
  readonly task: string | SendableTask;
  readonly args?:
    | readonly unknown[]
    | ((run: ScheduledRun) => readonly unknown[] | Promise<readonly unknown[]>);
  readonly kwargs?: Json | ((run: ScheduledRun) => Json | Promise<Json>);
  readonly options?: ScheduledCallOptions;
  /** Never set: an object with `toJSON` is a signature. */
  readonly toJSON?: undefined;
}

export const schedulePolicy = {
  /**
   * What is sent of the runs that are overdue, because no beat ran, the broker was away or the clock jumped: the `last` of
   * them (default; Celery's rule), `all` (the latest `missedLimit` of them), or none that is late (`skip`: later than
   * `startingDeadline`).
   */
  missed: field(
    flagged(
      oneOf('last', 'all', 'skip'),
      '--missed <what>',
      'Of missed runs, send the last, all, or none (skip).',
    ),
    'last',
  ),
  /** With `all`. Default 100. */
  missedLimit: field(
    flagged(integer(1, 10_000), '--missed-limit <number>', 'With --missed all: send at most this number.'),
    100,
  ),
  /** A run later than this is not sent. Default: `null` = any; with `skip` 10 s, which is more than a takeover takes. */
  startingDeadline: optional(
    flagged(
      orNull(seconds({ from: 0 })),
      '--starting-deadline <duration>',
      'Do not send a run later than this after it was due.',
    ),
  ),
  /**
   * While the run before has not ended: send anyway (`allow`, the default), leave out (`skip`), or send one when it has ended
   * (`queue`). The last two need a result backend.
   */
  overlap: field(
    flagged(
      oneOf('allow', 'skip', 'queue'),
      '--overlap <what>',
      'While the run before has not ended: allow, skip, or queue one.',
    ),
    'allow',
  ),
  /** Each run is sent by up to so much later; how much is fixed by its id. Default 0. */
  jitter: field(
    flagged(seconds({ from: 0 }), '--jitter <duration>', 'Delay each run by a random time up to this.'),
    0,
  ),
  /** false: paused until it is resumed. */
  enabled: field(flag, true),
};

/** What becomes of runs that were missed, of those that overlap, and how exactly they start. */
export interface SchedulePolicy extends Options<typeof schedulePolicy> {}

/** One entry of `beatSchedule`, as in Celery. */
export interface BeatScheduleEntry extends ScheduledCall, SchedulePolicy {
  readonly schedule: When;
  /** Intervals by the clock: see `every`. */
  readonly relative?: boolean;
}

export type BeatSchedule = Readonly<Record<string, BeatScheduleEntry>>;
