// Runs a conformance suite under vitest.
import { test } from 'vitest';
import type { ConformanceCase } from '../../src/testing/conformance.ts';

/** What a case has opened, closed at its end, the last first. */
export class Opened {
  readonly #things: AsyncDisposable[] = [];

  add<T extends AsyncDisposable>(thing: T): T {
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (const thing of this.#things.splice(0).reverse()) await thing[Symbol.asyncDispose]();
  }
}

export function cases<Harness, Features extends object>(
  suite: readonly ConformanceCase<Harness, Features>[],
  features: Features,
  make: () => { readonly harness: Harness; readonly opened: Opened; readonly cleanUp?: () => Promise<void> },
): void {
  for (const { title, needs, run } of suite) {
    const missing = needs.filter((feature) => !features[feature]);
    test(title, async (context) => {
      if (missing.length > 0) context.skip(`the driver does not declare: ${missing.join(', ')}`);
      const { harness, opened, cleanUp } = make();
      try {
        await run(harness);
      } finally {
        await opened.close();
        await cleanUp?.();
      }
    });
  }
}
