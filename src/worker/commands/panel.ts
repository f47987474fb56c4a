// What commands may use of the worker.
import type { App } from '../../app/app.ts';
import type { EventSender } from '../../events/sender.ts';
import type { LamportClock } from '../../lib/lamport.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Json } from '../../protocol/message.ts';
import type { ActiveTasks } from '../active-tasks.ts';
import type { Activity } from '../activity.ts';
import type { Autoscaler } from '../autoscale.ts';
import type { ClusterLimits } from '../cluster-limits.ts';
import type { DeferredMessages } from '../deferred-messages.ts';
import type { Heart } from '../heart.ts';
import type { Pauses } from '../pauses.ts';
import type { Pool } from '../pools/pool.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { Revocations } from '../revocations.ts';
import type { RunLimits } from '../run.ts';
import type { Slots } from '../slots.ts';
import type { Sources } from '../sources.ts';

export interface Panel {
  readonly app: App;
  /** Node name. */
  readonly name: string;
  readonly slots: Slots;
  readonly pool: Pool;
  readonly active: ActiveTasks;
  readonly sources: Sources;
  readonly pauses: Pauses;
  readonly scaler: Autoscaler | null;
  readonly activity: Activity;
  readonly revocations: Revocations;
  readonly deferred: DeferredMessages;
  readonly rateLimits: RateLimits;
  readonly cluster: ClusterLimits;
  readonly timeLimits: Map<string, RunLimits>;
  readonly events: EventSender;
  readonly heart: Heart;
  readonly lamport: LamportClock;
  readonly logger: Logger;
  /** Time limits of tasks that have none of their own, seconds. */
  readonly limits: { readonly soft: number | null; readonly hard: number | null };
  resize(concurrency: number): void;
  /** Begins a warm shutdown, and does not wait for it. */
  shutDown(): void;
}

/** Returns a command's reply; {@link noReply}: there is none. */
export type Command = (panel: Panel, args: Json) => unknown;

export const noReply: unique symbol = Symbol('no reply');

/** An error that callers see as Python's: `{'error': "ValueError('…')"}`. */
export class CommandError extends Error {
  override readonly name: string;

  constructor(kind: 'ValueError' | 'KeyError' | 'TypeError', message: string) {
    super(message);
    this.name = kind;
  }
}

export function textOf(args: Json, name: string): string {
  const value = args[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new CommandError('TypeError', `the argument '${name}' must be text`);
}

/** One text, or a list of texts. */
export function textsOf(args: Json, name: string): readonly string[] {
  const value = args[name];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.every((each) => typeof each === 'string')) return list;
  throw new CommandError('TypeError', `the argument '${name}' must be text, or a list of texts`);
}

export function countOf(args: Json, name: string, otherwise: number): number {
  const value = args[name] ?? otherwise;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number;
  throw new CommandError('TypeError', `the argument '${name}' must be a whole number`);
}

/** Python's truth: Flower sends `terminate: 1`. Only values that Python takes for false are false. */
export function flagOf(args: Json, name: string): boolean {
  const value = args[name];
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** Null: missing, or 0, which means none in Celery. */
export function secondsOf(args: Json, name: string): number | null {
  const value = args[name];
  if (value === undefined || value === null || value === '') return null;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number) && number >= 0) return number || null;
  throw new CommandError('TypeError', `the argument '${name}' must be a number of seconds, 0 for none`);
}
