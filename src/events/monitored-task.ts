// A task as its events show it.

/** Celery's states, except IGNORED, which no event brings. */
export type EventState =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | 'REJECTED'
  | 'RETRY';

/** A task, as its events show it. Times are seconds since 1970, by the clock of the event's sender; null: no event told it. */
export interface MonitoredTask {
  /** The task's id. */
  readonly uuid: string;
  /** The state that its events show. */
  readonly state: EventState | (string & {});
  /** The task's name. */
  readonly name: string | null;
  /** The positional arguments, as Python's repr. */
  readonly args: string | null;
  /** The keyword arguments, as Python's repr. */
  readonly kwargs: string | null;
  /** The result, as Python's repr. */
  readonly result: string | null;
  /** The error, as text. */
  readonly exception: string | null;
  /** The error's stack. */
  readonly traceback: string | null;
  /** How long it ran, seconds. */
  readonly runtime: number | null;
  /** How many retries there were. */
  readonly retries: number | null;
  /** Before this time it does not run (ISO 8601). */
  readonly eta: string | null;
  /** After this time it does not start (ISO 8601). */
  readonly expires: string | null;
  /** The first task of its workflow. */
  readonly rootId: string | null;
  /** The task that sent it. */
  readonly parentId: string | null;
  /** The queue to which it was sent. */
  readonly queue: string | null;
  /** The routing key with which it was sent. */
  readonly routingKey: string | null;
  /** The worker's node name; the sender's, until a worker has the task. */
  readonly worker: string | null;
  /** Node name of the program that sent it. */
  readonly client: string | null;
  /** When it was sent. */
  readonly sent: number | null;
  /** When a worker received it. */
  readonly received: number | null;
  /** When its code began. */
  readonly started: number | null;
  /** When it succeeded. */
  readonly succeeded: number | null;
  /** When it failed. */
  readonly failed: number | null;
  /** When it was last retried. */
  readonly retried: number | null;
  /** When it was revoked. */
  readonly revoked: number | null;
  /** When it was rejected. */
  readonly rejected: number | null;
  /** The time of the last event. */
  readonly timestamp: number;
  /** The logical clock of its last event. */
  readonly clock: number;
}

/** For each type of event: its state, and the field for its time. */
export const kinds: Readonly<Record<string, readonly [EventState, TimeField]>> = {
  'task-sent': ['PENDING', 'sent'],
  'task-received': ['RECEIVED', 'received'],
  'task-started': ['STARTED', 'started'],
  'task-succeeded': ['SUCCESS', 'succeeded'],
  'task-failed': ['FAILURE', 'failed'],
  'task-retried': ['RETRY', 'retried'],
  'task-revoked': ['REVOKED', 'revoked'],
  'task-rejected': ['REJECTED', 'rejected'],
};

type TimeField =
  | 'sent'
  | 'received'
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'retried'
  | 'revoked'
  | 'rejected';

/** Celery's order of precedence: a late event does not undo a later state. */
const precedence: readonly string[] = [
  'SUCCESS',
  'FAILURE',
  'REVOKED',
  'REJECTED',
  'STARTED',
  'RECEIVED',
  'RETRY',
  'PENDING',
];

/** Whether the known state comes after the reported one. A retry begins again. */
export function isLate(known: string, reported: string): boolean {
  if (known === 'RETRY' || reported === 'RETRY') return false;
  return rank(reported) > rank(known);
}

function rank(state: string): number {
  const at = precedence.indexOf(state);
  return at < 0 ? precedence.indexOf('STARTED') : at;
}

const longestText = 10_000;
/** The longest id, node name or state, characters. */
export const longestName = 512;

/** Null: it is no text. */
export function text(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  return value.length <= longestText ? value : cut(value, longestText);
}

/** A copy: a slice would keep the whole text in memory. */
export function cut(value: string, length: number): string {
  return Buffer.from(value.slice(0, length), 'utf16le').toString('utf16le');
}

export function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
