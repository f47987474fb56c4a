// Waiting for many results at once, and reading many, a bounded number at a time.
import { setMaxListeners } from 'node:events';
import { type Duration, toMs } from '../lib/duration.ts';

/** The part of a result that is needed here. */
interface Awaitable {
  get(options: {
    readonly propagate?: boolean;
    readonly timeout?: Duration;
    readonly signal?: AbortSignal;
  }): Promise<unknown>;
}

/** How many results are watched or read at the same time. */
const atOnce = 500;

/** The values of all results, in order. The first failure that is noticed ends the waiting, unless errors are wanted as values. */
export async function gather(
  results: readonly Awaitable[],
  options: { readonly timeout?: Duration; readonly signal?: AbortSignal; readonly propagate?: boolean },
): Promise<unknown[]> {
  const { timeout, signal } = options;
  const untilMs = timeout === undefined ? null : performance.now() + toMs(timeout, 'timeout');
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // all wait for this one
  const abort = (): void => stop.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await eachOf(results, (result) =>
      result.get({
        ...options,
        signal: stop.signal,
        ...(untilMs !== null && { timeout: Math.max(0, untilMs - performance.now()) / 1000 }),
      }),
    );
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort(new Error('another member of the group has failed')); // the other results are not needed any more
  }
}

/** The results in the order in which they end. */
export async function* asTheyEnd<Result extends Awaitable>(
  results: readonly Result[],
): AsyncGenerator<Result, void, undefined> {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // all wait for this one
  const ended: Result[] = [];
  let failure: { readonly error: unknown } | null = null;
  let wake = (): void => {};
  for (const result of results) {
    result.get({ propagate: false, signal: stop.signal }).then(
      () => {
        ended.push(result);
        wake();
      },
      (error: unknown) => {
        failure ??= { error };
        wake();
      },
    );
  }
  try {
    for (let left = results.length; left > 0; left--) {
      while (ended.length === 0) {
        throwIf(failure);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const next = ended.shift();
      if (next !== undefined) yield next;
    }
  } finally {
    stop.abort(new Error('nobody waits for the group any more'));
  }
}

/** Calls `work` for each item, a bounded number at a time; the answers in order. The first error ends it. */
export async function eachOf<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = new Array(items.length);
  const left = items.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failed) return;
      try {
        answers[index] = await ask(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return answers;
}

function throwIf(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error;
}
