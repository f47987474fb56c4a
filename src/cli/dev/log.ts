// The one log of `umbel dev`: each line with the name of its program.
import { styleText } from 'node:util';

export interface DevLog {
  /** A line of a program. */
  line(name: ProgramName, text: string): void;
  /** A line of `umbel dev` itself. */
  say(text: string): void;
}

export type ProgramName = 'worker' | 'beat' | 'gateway' | 'dashboard';

const colors = {
  worker: 'green',
  beat: 'magenta',
  gateway: 'blue',
  dashboard: 'cyan',
  dev: 'yellow',
} as const;
const width = Math.max(...Object.keys(colors).map((name) => name.length));

export function devLog(write: (text: string) => unknown, { colored }: { readonly colored: boolean }): DevLog {
  const print = (name: keyof typeof colors, text: string): void => {
    const start = `${name.padEnd(width)} | `;
    write(`${colored ? styleText(colors[name], start, { validateStream: false }) : start}${text}\n`);
  };
  return { line: print, say: (text) => print('dev', text) };
}
