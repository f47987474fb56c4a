// The options of `umbel schedule add`, and the schedule that they describe.
import type { Command } from 'commander';
import {
  type ScheduledCall,
  type SchedulePolicy,
  schedulePolicy,
  type When,
} from '../config/beat-schedule.ts';
import type { Priority } from '../config/priority.ts';
import type { Duration } from '../lib/duration.ts';
import { crontab } from '../schedules/crontab.ts';
import { every } from '../schedules/every.ts';
import { type SolarEvent, solar } from '../schedules/solar.ts';
import type { CommonOptions } from './common.ts';
import { optionsOfFlags, withFlags } from './flags.ts';
import { UsageError } from './usage.ts';
import { duration, jsonArray, jsonObject, priority } from './values.ts';

export interface AddOptions extends CommonOptions {
  readonly task?: string;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly every?: Duration;
  readonly relative?: boolean;
  readonly cron?: string;
  readonly solar?: string;
  readonly timezone?: string;
  readonly queue?: string;
  readonly priority?: Priority;
  readonly expires?: Duration;
  readonly paused?: boolean;
  readonly replace?: boolean;
}

export function addOptionsTo(command: Command): Command {
  command
    .requiredOption('--task <name>', 'The task to send.')
    .option('-a, --args <json>', `Positional arguments: '[1, "two"]'.`, jsonArray)
    .option('-k, --kwargs <json>', `Keyword arguments: '{"name": "value"}'.`, jsonObject)
    .option('--every <duration>', 'The interval: seconds, or 10m.', duration)
    .option('--relative', 'With --every: aligned to the clock (1h: at each full hour).')
    .option('--cron <fields>', "By the clock: 'minute hour day-of-month month day-of-week', all must match.")
    .option('--solar <event,lat,lon>', 'By the sun: sunset,52.52,13.40.')
    .option('--timezone <name>', "Time zone of --cron: Europe/Berlin; default: the App's.")
    .option('-Q, --queue <name>', 'Send it to this queue.')
    .option('--priority <priority>', 'urgent, high, normal, low, or a number.', priority)
    .option('--expires <duration>', 'Do not start the task later than this after the send.', duration);
  return withFlags(command, schedulePolicy)
    .option('--paused', 'Add it paused.')
    .option('--replace', 'Change it if it exists.');
}

/** @throws UsageError unless exactly one kind of schedule is given; ConfigError */
export function when(options: AddOptions): When {
  const { every: interval, cron, solar: sun, timezone, relative = false } = options;
  if ([interval, cron, sun].filter((given) => given !== undefined).length !== 1)
    throw new UsageError('give exactly one of --every, --cron and --solar');
  if (timezone !== undefined && cron === undefined) throw new UsageError('--timezone belongs to --cron');
  if (relative && interval === undefined) throw new UsageError('--relative belongs to --every');
  if (interval !== undefined) return every(interval, { relative });
  if (cron !== undefined) return crontab(cron, timezone === undefined ? {} : { timezone });
  const [event = '', latitude = '', longitude = ''] = (sun ?? '').split(',').map((part) => part.trim());
  return solar(event as SolarEvent, degrees(latitude), degrees(longitude)); // solar() checks the event
}

export function scheduled(options: AddOptions): {
  readonly call: ScheduledCall;
  readonly policy: SchedulePolicy;
} {
  const { task = '', args, kwargs, queue, priority, expires } = options;
  return {
    call: {
      task,
      ...(args !== undefined && { args }),
      ...(kwargs !== undefined && { kwargs }),
      options: {
        ...(queue !== undefined && { queue }),
        ...(priority !== undefined && { priority }),
        ...(expires !== undefined && { expires }),
      },
    },
    policy: {
      ...optionsOfFlags(schedulePolicy, options),
      ...(options.paused === true && { enabled: false }),
    },
  };
}

function degrees(text: string): number {
  return text === '' ? Number.NaN : Number(text);
}
