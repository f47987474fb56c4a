// A part of a page that may be unknown: the rest of the page is shown all the same, and this says why it is not there.
import { Problem } from '../../../http/problem.ts';
import { withDeadline } from '../../../lib/deadline.ts';

export type PagePart<Value> =
  | { readonly value: Value; readonly problem: null }
  /** `problem`: for people. */
  | { readonly value: null; readonly problem: string };

/** Longer than workers have for their answers, milliseconds. */
const patienceMs = 4_000;

/** A broker that is away is waited for elsewhere; a page says that it is. */
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
