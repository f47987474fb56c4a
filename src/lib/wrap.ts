// Functions around another function, as layers of middleware are.

/** A layer. It calls `next` once, waits for it, and returns its value or another. */
export type Layer<Given, Out> = (given: Given, next: () => Promise<Out>) => Out | PromiseLike<Out>;

/** A layer called `next` again, or did not wait for it. */
export class MisusedNext extends Error {}

/**
 * Calls the layers, the first outermost, and within them `core`. Settles when `core` has ended, also if a layer did not wait for it. Rejects with
 * what a layer throws, and with {@link MisusedNext}.
 */
export function wrapped<Given, Out>(
  layers: readonly Layer<Given, Out>[],
  given: Given,
  core: () => Promise<Out>,
): Promise<Out> {
  const from = async (at: number): Promise<Out> => {
    const layer = layers[at];
    if (layer === undefined) return core();
    const inner: Promise<Out>[] = [];
    let isOver = true;
    const next = (): Promise<Out> => {
      if (inner.length > 0) return Promise.reject(new MisusedNext('next() was called twice'));
      isOver = false;
      const running = from(at + 1).finally(() => {
        isOver = true;
      });
      inner.push(running);
      return running;
    };
    const wasAwaited = async (): Promise<boolean> => {
      const awaited = isOver;
      // What is within may go on: its end is the end of the whole, so that nothing runs beside it.
      await Promise.allSettled(inner);
      return awaited;
    };
    let returned: Out;
    try {
      returned = await layer(given, next);
    } catch (error) {
      await wasAwaited();
      throw error;
    }
    if (!(await wasAwaited())) throw new MisusedNext('next() was called and not awaited');
    return returned;
  };
  return from(0);
}
