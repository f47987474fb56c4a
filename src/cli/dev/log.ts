// The one log of `umbel dev`: each line with the name of its program.
import { styleText } from 'node:util';

export interface DevLog {
  /** A line of a program. */
  line(name: string, text: string): void;
  /** A line of `umbel dev` itself. */
  say(text: string): void;
}

export type OurName = 'worker' | 'beat' | 'gateway' | 'dashboard';

const colors = {
  worker: 'green',
  beat: 'magenta',
  gateway: 'blue',
  dashboard: 'cyan',
  dev: 'yellow',
} as const;

/** These names are taken. */
export const ourNames: readonly string[] = Object.keys(colors);

interface LogOptions {
  readonly colored: boolean;
  /** The names of the user's programs. */
  readonly others?: readonly string[];
}

export function devLog(write: (text: string) => unknown, { colored, others = [] }: LogOptions): DevLog {
  const width = Math.max(...[...ourNames, ...others].map((name) => name.length));
  const colorOf = new Map<string, Parameters<typeof styleText>[0]>(Object.entries(colors));
  const print = (name: string, text: string): void => {
    const start = `${name.padEnd(width)} | `;
    const color = colorOf.get(name) ?? 'bold';
    write(`${colored ? styleText(color, start, { validateStream: false }) : start}${text}\n`);
  };
  return { line: print, say: (text) => print('dev', text) };
}
