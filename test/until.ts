// Waiting for what must come, with one deadline for all tests: it ends a test that hangs and says for what it waited;
// it judges no speed.
import { setTimeout as sleep } from 'node:timers/promises';

/** Generous: a machine that does much else must get there, too. */
export const patienceMs = 60_000;

/** The same for what is told seconds: `result.get(patience)`. */
export const patience: { readonly timeout: number } = { timeout: patienceMs / 1000 };

/** Waits until the condition holds. Fails after {@link patienceMs}, naming what it waited for (or the condition's text). */
export async function until(
  condition: () => unknown,
  what: string | (() => string) = String(condition),
): Promise<void> {
  const late = performance.now() + patienceMs;
  for (;;) {
    const began = performance.now();
    if (await condition()) return;
    if (performance.now() > late) {
      const named = typeof what === 'string' ? what : what();
      throw new Error(`waited ${patienceMs / 1000} s for: ${named}`);
    }
    // A condition may block this process, by starting another one: most of the time is for what it waits for.
    await sleep(Math.min(1000, Math.max(10, 3 * (performance.now() - began))));
  }
}

/** The promise, if it settles within {@link patienceMs}; fails otherwise, naming `what`. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs / 1000} s for: ${what}`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
