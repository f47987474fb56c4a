// A schedule as data: its call, its times, its rules. Stores keep its text.

import type { DeclaredSchedule, ResolvedPolicy } from '../app/schedule.ts';
import type { ScheduledCallOptions } from '../config/beat-schedule.ts';
import { StoreError } from '../errors.ts';
import { decodeJson, encodeJson } from '../protocol/json.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import type { Schedule } from '../schedules/schedule.ts';
import { type ScheduleJson, scheduleFromJson } from '../schedules/schedule-json.ts';

/** The call of an entry. `computed`: the code that declares the entry computes the call at each run. */
type EntryCall =
  | {
      readonly kind: 'task';
      readonly task: string;
      readonly args: readonly unknown[];
      readonly kwargs: Json;
      readonly options: ScheduledCallOptions;
      readonly computed: boolean;
    }
  | {
      readonly kind: 'signature';
      readonly signature: WireSignature;
      readonly options: ScheduledCallOptions;
      readonly computed: false;
    };

export interface Entry {
  readonly name: string;
  /** Null: a schedule class of the user's code, which has no form as data. */
  readonly schedule: ScheduleJson | null;
  /** The schedule in words, for people. */
  readonly shown: string;
  readonly call: EntryCall;
  readonly policy: ResolvedPolicy;
  /** False: its declaration disables it. */
  readonly enabled: boolean;
  /** A user has paused it. */
  readonly paused: boolean;
  /** The application's code declares it: a beat that starts puts it back. */
  readonly fromCode: boolean;
  /** When it came into force, milliseconds since 1970: earlier due times do not count. */
  readonly sinceMs: number;
}

/** Makes the entry of a declaration. */
export function entryOf(declared: DeclaredSchedule, fromCode: boolean, sinceMs: number): Entry {
  const { name, schedule, call, policy, enabled } = declared;
  return {
    name,
    schedule: schedule.toJSON?.() ?? null,
    shown: schedule.toString(),
    call: callOf(call),
    policy,
    enabled,
    paused: false,
    fromCode,
    sinceMs,
  };
}

function callOf(call: DeclaredSchedule['call']): EntryCall {
  if (call.kind === 'signature') return { ...call, computed: false };
  const { args, kwargs } = call;
  return {
    ...call,
    args: typeof args === 'function' ? [] : args,
    kwargs: typeof kwargs === 'function' ? {} : kwargs,
    computed: typeof args === 'function' || typeof kwargs === 'function',
  };
}

/** The task that it sends, or the first task of its workflow. */
export function taskOf({ call }: Entry): string {
  return call.kind === 'task' ? call.task : call.signature.task;
}

export function encodeEntry(entry: Entry): string {
  return encodeJson({ v: 1, ...entry });
}

/** @throws StoreError for text that is no entry, or an entry of a newer Umbel */
export function decodeEntry(name: string, text: string): Entry {
  const decoded = decodeJson(text);
  const entry = decoded.ok ? decoded.value : null;
  if (typeof entry !== 'object' || entry === null || !('v' in entry) || entry.v !== 1)
    throw new StoreError(
      `the schedule '${name}' cannot be read: it was written by a newer Umbel, or by another program`,
    );
  const { v: _, ...rest } = entry;
  return rest as unknown as Entry; // encodeEntry wrote it: nothing else writes there
}

/** Whether two entries are equal, apart from the time they came into force, and pauses. */
export function isSameSchedule(one: Entry, other: Entry): boolean {
  const plain = (entry: Entry): string => encodeEntry({ ...entry, sinceMs: 0, paused: false });
  return plain(one) === plain(other);
}

/** Whether both are due at the same times. */
export function isDueTheSame(one: Entry, other: Entry): boolean {
  return one.schedule !== null && encodeJson(one.schedule) === encodeJson(other.schedule);
}

/** Its times; null: only the code that declares it knows them. @throws StoreError */
export function scheduleOf(entry: Entry, declared: DeclaredSchedule | undefined): Schedule | null {
  if (entry.schedule === null) return declared?.schedule ?? null;
  try {
    return scheduleFromJson(entry.schedule);
  } catch (error) {
    throw new StoreError(`the schedule '${entry.name}' cannot be read`, { cause: error });
  }
}
