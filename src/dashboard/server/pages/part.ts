// A part of a page that may be unknown: the rest of the page is shown all the same, and this says why it is not there.

export type PagePart<Value> =
  | { readonly value: Value; readonly problem: null }
  /** `problem`: for people. */
  | { readonly value: null; readonly problem: string };

/** Never rejects. */
export async function part<Value>(loading: Promise<Value>): Promise<PagePart<Value>> {
  try {
    return { value: await loading, problem: null };
  } catch (error) {
    return { value: null, problem: error instanceof Error ? error.message : String(error) };
  }
}
