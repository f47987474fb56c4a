// Regular expressions that somebody else has written: they may take longer than the universe has, so they get a moment.
import { createContext, runInContext } from 'node:vm';

/** Enough for any pattern that is meant well, and short enough that an event loop may stand still for it. */
const patienceMs = 500;

/**
 * Whether the pattern occurs in the text; false, too, when it is no regular expression or finds no answer within half a second.
 * `flags` as of `RegExp`.
 */
export function timedTest(pattern: string, flags: string, text: string): boolean {
  try {
    // Only texts go in, and a boolean comes out: the context is there for its time limit, and keeps nothing from anybody.
    const context = createContext({ pattern, flags, text });
    return runInContext('new RegExp(pattern, flags).test(text)', context, { timeout: patienceMs }) === true;
  } catch {
    return false;
  }
}
