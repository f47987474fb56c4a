// Runs regular expressions of other programs with a time limit, since a malicious pattern may take exponential time.
import { createContext, runInContext } from 'node:vm';

/** The time limit, milliseconds: enough for any reasonable pattern, and short enough to block an event loop. */
const deadlineMs = 500;

/**
 * Whether the pattern occurs in the text. False as well for an invalid pattern, and for one that takes longer than half a second.
 * `flags`: those of `RegExp`.
 */
export function timedTest(pattern: string, flags: string, text: string): boolean {
  try {
    // Only texts go in, and a boolean comes out: the context is there for its time limit, and keeps nothing from anybody.
    const context = createContext({ pattern, flags, text });
    return runInContext('new RegExp(pattern, flags).test(text)', context, { timeout: deadlineMs }) === true;
  } catch {
    return false;
  }
}
