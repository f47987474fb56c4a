// The result of a chord's member, as Celery stores it until all members have ended: `[1, "<task id>", "<state>", <result>]`.
import { asWireException } from './exception.ts';
import { decodeJson, encodeJson } from './json.ts';
import { type DecodeLimits, defaultLimits, maxValuesSent } from './limits.ts';
import type { Decoded } from './message.ts';
import { accept, kindOf, refuse } from './refusal.ts';
import { isException, type TaskState } from './result-meta.ts';

/** The end of a chord's member. */
export interface ChordPart {
  readonly taskId: string;
  readonly status: TaskState;
  /** The returned value for SUCCESS, else a `WireException`. */
  readonly result: unknown;
}

/** The chord of a part, and its index there. */
export interface ChordPlace {
  /** The header's group id. */
  readonly groupId: string;
  /** Index among the results; null (the sender did not set it): after all others. */
  readonly index: number | null;
  /** Id of the body's result: if that has ended, the chord is complete, however long ago. */
  readonly bodyId: string | null;
  /** This part completes the chord, even if other parts are missing. */
  readonly last: boolean;
  /** It is counted, and completes nothing: whoever repairs a chord closes it in a name of its own, so that the member itself does not send the body, too. */
  readonly held?: true;
}

/** @throws NotSerializableError with the path of the value that cannot be stored. */
export function encodePart({ taskId, status, result }: ChordPart): string {
  return `${partPrefix(taskId)} ${JSON.stringify(status)}, ${encodeJson(result)}]`;
}

/** The prefix of a task's part, the same for every writer. */
export function partPrefix(taskId: string): string {
  return `[1, ${JSON.stringify(taskId)},`;
}

/** The prefix of the part of a task that succeeded, as we write it and as Python does. */
export function successPrefix(taskId: string): string {
  return `${partPrefix(taskId)} "SUCCESS",`;
}

/** Never throws, like all decoders. */
export function decodePart(text: string): Decoded<ChordPart> {
  const decoded = decodeJson(text, limits);
  if (!decoded.ok) return decoded;
  const { value } = decoded;
  if (!Array.isArray(value)) return refuse('body', `a part of a chord is ${kindOf(value)}, not a list`);
  const [, taskId, status, result = null] = value;
  if (typeof taskId !== 'string' || typeof status !== 'string')
    return refuse('body', 'a part of a chord has no task id or no state');
  return accept({ taskId, status, result: isException(status) ? asWireException(result) : result });
}

/** The limits of results. */
const limits: DecodeLimits = {
  ...defaultLimits,
  maxSize: 512 * 1024 * 1024,
  maxKeys: 2 * maxValuesSent,
  maxValues: 2 * maxValuesSent,
};
