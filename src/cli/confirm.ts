import { createInterface } from 'node:readline/promises';
import { UsageError } from './usage.ts';

/**
 * Asks for confirmation of what cannot be undone. `force`: the answer is yes.
 * @throws UsageError when standard input is not a terminal.
 */
export async function confirmed(question: string, force: boolean): Promise<boolean> {
  if (force) return true;
  if (!process.stdin.isTTY) {
    throw new UsageError(`${question} There is no terminal to ask; add --force (-f) if you are sure.`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [yes/NO] `);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return false; // Ctrl-D or Ctrl-C
    throw error;
  } finally {
    terminal.close();
  }
}
