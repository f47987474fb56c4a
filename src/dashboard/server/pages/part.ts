// A part of a page that may fail to load. The page shows the other parts, and the problem in place of this one.

export type PagePart<Value> =
  | { readonly value: Value; readonly problem: null }
  /** `problem`: the message of the error. */
  | { readonly value: null; readonly problem: string };

/** Never rejects. */
export async function part<Value>(loading: Promise<Value>): Promise<PagePart<Value>> {
  try {
    return { value: await loading, problem: null };
  } catch (error) {
    return { value: null, problem: error instanceof Error ? error.message : String(error) };
  }
}
