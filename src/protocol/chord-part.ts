// A chord's member that has ended, as Celery keeps it until all have: `[1, "<task id>", "<state>", <result>]`.
import { asWireException } from './exception.ts';
import { decodeJson, encodeJson } from './json.ts';
import { type DecodeLimits, defaultLimits, maxValuesSent } from './limits.ts';
import type { Decoded } from './message.ts';
import { accept, kindOf, refuse } from './refusal.ts';
import { isException, type TaskState } from './result-meta.ts';

/** How a member of a chord ended. */
export interface ChordPart {
  readonly taskId: string;
  readonly status: TaskState;
  /** Its value for SUCCESS, else a `WireException`. */
  readonly result: unknown;
}

/** Where a part belongs. */
export interface ChordPlace {
  /** The header's group id. */
  readonly groupId: string;
  /** Its place among the results; null (a sender that does not say): after all others. */
  readonly index: number | null;
  /** The id of the body's result: if that has ended the chord is done, however long ago. */
  readonly bodyId: string | null;
  /** The chord ends with this part, whatever is missing. */
  readonly last: boolean;
}

/** @throws NotSerializableError with the path of what cannot be kept. */
export function encodePart({ taskId, status, result }: ChordPart): string {
  return `${partPrefix(taskId)} ${JSON.stringify(status)}, ${encodeJson(result)}]`;
}

/** How the text of each part of a task begins, whoever wrote it. */
export function partPrefix(taskId: string): string {
  return `[1, ${JSON.stringify(taskId)},`;
}

/** Total, as all decoders. */
export function decodePart(text: string): Decoded<ChordPart> {
  const decoded = decodeJson(text, limits);
  if (!decoded.ok) return decoded;
  const { value } = decoded;
  if (!Array.isArray(value)) return refuse('body', `a part of a chord is ${kindOf(value)}, not a list`);
  const [, taskId, status, result = null] = value;
  if (typeof taskId !== 'string' || typeof status !== 'string')
    return refuse('body', 'a part of a chord names no task and state');
  return accept({ taskId, status, result: isException(status) ? asWireException(result) : result });
}

/** As large as results may be. */
const limits: DecodeLimits = {
  ...defaultLimits,
  maxSize: 512 * 1024 * 1024,
  maxKeys: 2 * maxValuesSent,
  maxValues: 2 * maxValuesSent,
};
