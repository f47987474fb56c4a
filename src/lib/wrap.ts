// Functions around another function, as layers of middleware are.

/** A layer. It calls `next` once, waits for it, and returns its value or another. */
export type Layer<Given, Out> = (given: Given, next: () => Promise<Out>) => Out | PromiseLike<Out>;

/** A layer called `next` again, or did not wait for it. */
export class MisusedNext extends Error {}

/** Calls the layers, the first outermost, and within them `core`. Rejects with what a layer throws, and with {@link MisusedNext}. */
export function wrapped<Given, Out>(
  layers: readonly Layer<Given, Out>[],
  given: Given,
  core: () => Promise<Out>,
): Promise<Out> {
  const from = async (at: number): Promise<Out> => {
    const layer = layers[at];
    if (layer === undefined) return core();
    let state: 'before' | 'within' | 'after' = 'before';
    const next = async (): Promise<Out> => {
      if (state !== 'before') throw new MisusedNext('next() was called twice');
      state = 'within';
      try {
        return await from(at + 1);
      } finally {
        state = 'after';
      }
    };
    const returned = await layer(given, () => {
      const inner = next();
      inner.catch(() => undefined); // the layer sees it; one that does not wait is told below
      return inner;
    });
    if (isWithin(state)) throw new MisusedNext('next() was called and not awaited');
    return returned;
  };
  return from(0);
}

/** A function, since the compiler does not see that `next` changes the state. */
function isWithin(state: string): boolean {
  return state === 'within';
}
