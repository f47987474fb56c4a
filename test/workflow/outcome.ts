// What a workflow came to, in the words of `evaluate.ts`.
import { type AsyncResult, GroupResult, TaskFailedError } from '../../src/index.ts';
import type { End } from './evaluate.ts';

/** Waits for a workflow's end. @param seconds how long, at most */
export async function endOf(result: AsyncResult, seconds = 60): Promise<End> {
  if (result instanceof GroupResult)
    return { kind: 'group', members: await Promise.all(result.results.map((each) => endOf(each, seconds))) };
  const value: unknown = await result.get({ propagate: false, timeout: seconds });
  if (!(value instanceof Error)) return { kind: 'value', value };
  if (!(value instanceof TaskFailedError)) return { kind: 'error', type: value.name, message: value.message };
  const { remoteType: type, remoteMessage } = value;
  return { kind: 'error', type, message: type === 'ChordError' ? null : remoteMessage };
}
