import { createInterface } from 'node:readline/promises';
import { UsageError } from './usage.ts';

/** What can be chosen, each with what it means. */
export type Choices<T extends string> = Readonly<Record<T, string>>;

/** Whether there is somebody to ask: standard input and standard error are terminals. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks which of these it shall be, by number or by name.
 * @param usual what an empty answer means
 * @throws UsageError when the answer is called off by Ctrl-C or Ctrl-D
 */
export async function chosen<T extends string>(
  question: string,
  choices: Choices<T>,
  usual: NoInfer<T>,
): Promise<T> {
  const names = Object.keys(choices) as T[]; // it has these keys, and no others
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const list = names.map((name, index) => `  ${index + 1}. ${name.padEnd(10)} ${choices[name]}`);
    process.stderr.write(`${question}\n${list.join('\n')}\n`);
    for (;;) {
      const answer = (await terminal.question(`[${usual}] `)).trim();
      const found =
        answer === '' ? usual : (names[Number(answer) - 1] ?? names.find((name) => name === answer));
      if (found !== undefined) return found;
      process.stderr.write(
        `'${answer}' is none of them: give a number from 1 to ${names.length}, or a name.\n`,
      );
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw new UsageError('nothing was written');
    throw error;
  } finally {
    terminal.close();
  }
}
