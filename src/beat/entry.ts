// A schedule as data: what is sent, when, and by which rules. Its text is what stores keep.

import type { DeclaredSchedule, ResolvedPolicy } from '../app/schedule.ts';
import type { ScheduledCallOptions } from '../config/beat-schedule.ts';
import { StoreError } from '../errors.ts';
import { decodeJson, encodeJson } from '../protocol/json.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import type { Schedule } from '../schedules/schedule.ts';
import { type ScheduleJson, scheduleFromJson } from '../schedules/schedule-json.ts';

/** What is sent. `computed`: by the code that declares it, each time. */
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
  /** null: a schedule of the code's own, which has no form as data. */
  readonly schedule: ScheduleJson | null;
  /** For people. */
  readonly shown: string;
  readonly call: EntryCall;
  readonly policy: ResolvedPolicy;
  /** false: the one who declared it says so. */
  readonly enabled: boolean;
  /** Somebody has paused it. */
  readonly paused: boolean;
  /** Declared by the application's code, which a beat that starts puts back. */
  readonly fromCode: boolean;
  /** In force since: what was due before is none of its business. Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** The entry that a declaration makes. */
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

/** The task that it sends, or begins with. */
export function taskOf({ call }: Entry): string {
  return call.kind === 'task' ? call.task : call.signature.task;
}

export function encodeEntry(entry: Entry): string {
  return encodeJson({ v: 1, ...entry });
}

/** @throws StoreError for what is no entry, or one of a newer Umbel */
export function decodeEntry(name: string, text: string): Entry {
  const decoded = decodeJson(text);
  const entry = decoded.ok ? decoded.value : null;
  if (typeof entry !== 'object' || entry === null || !('v' in entry) || entry.v !== 1)
    throw new StoreError(
      `the schedule '${name}' cannot be read: it was written by a newer Umbel, or by another program`,
    );
  const { v: _, ...rest } = entry;
  return rest as unknown as Entry; // written by encodeEntry: nobody else writes there
}

/** Whether two entries say the same, since whenever, paused or not. */
export function isSameSchedule(one: Entry, other: Entry): boolean {
  const plain = (entry: Entry): string => encodeEntry({ ...entry, sinceMs: 0, paused: false });
  return plain(one) === plain(other);
}

/** Whether both are due at the same times. */
export function isDueTheSame(one: Entry, other: Entry): boolean {
  return one.schedule !== null && encodeJson(one.schedule) === encodeJson(other.schedule);
}

/** When it is due; null: only the code that declares it knows. @throws StoreError */
export function scheduleOf(entry: Entry, declared: DeclaredSchedule | undefined): Schedule | null {
  if (entry.schedule === null) return declared?.schedule ?? null;
  try {
    return scheduleFromJson(entry.schedule);
  } catch (error) {
    throw new StoreError(`the schedule '${entry.name}' cannot be read`, { cause: error });
  }
}
