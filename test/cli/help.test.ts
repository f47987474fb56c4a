// Help fits a terminal.
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { reflowed } from '../../src/cli/terminal/reflow.ts';

function* every(command: Command): Iterable<Command> {
  yield command;
  for (const child of command.commands) yield* every(child);
}

test.each([80, 200])('at %i columns the help of each command fits', (width) => {
  let commands = 0;
  for (const command of every(createProgram())) {
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += reflowed(part, width);
      },
      getOutHelpWidth: () => width,
    });
    command.outputHelp();
    commands++;
    expect(text).toMatch(/Options:/);
    expect(text.split('\n').filter((line) => line.length > width)).toEqual([]);
  }
  expect(commands).toBeGreaterThan(40);
});

test('prose is folded where it does not fit, and what people copy is left as it is', () => {
  const text = 'one two three\nfour five\n\n  umbel worker --with-a-long-option\n\nshort\nlines';
  expect(reflowed(text, 10)).toBe(
    'one two\nthree four\nfive\n\n  umbel worker --with-a-long-option\n\nshort\nlines',
  );
});
