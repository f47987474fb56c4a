// A part of a page that may fail to load. The page shows the other parts, and the problem in place of this one.
import { Problem } from '../../../http/problem.ts';
import { withDeadline } from '../../../lib/deadline.ts';

export type PagePart<Value> =
  | { readonly value: Value; readonly problem: null }
  /** `problem`: the message of the error. */
  | { readonly value: null; readonly problem: string };

/** How long a page waits for the broker, milliseconds. */
const patienceMs = 4_000;

/** Programs wait for a broker that is away; a page says that it is. @throws Problem 503 */
export function soon<Value>(loading: Promise<Value>): Promise<Value> {
  return withDeadline(patienceMs, loading, () => new Problem(503, 'the broker did not answer in time'));
}

/** Never rejects. */
export async function part<Value>(loading: Promise<Value>): Promise<PagePart<Value>> {
  try {
    return { value: await soon(loading), problem: null };
  } catch (error) {
    return { value: null, problem: error instanceof Error ? error.message : String(error) };
  }
}
