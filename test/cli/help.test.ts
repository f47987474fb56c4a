// Help fits a terminal.
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { reflowed, widthOf } from '../../src/cli/terminal/reflow.ts';

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

test('--help is described alike everywhere, and a terminal without columns is an ordinary one', () => {
  for (const command of every(createProgram())) {
    const help = command
      .createHelp()
      .visibleOptions(command)
      .find(({ long }) => long === '--help');
    expect([command.name(), help?.description]).toEqual([command.name(), 'Show help.']);
  }
  expect([widthOf({ columns: 0 }), widthOf({}), widthOf({ columns: 200 })]).toEqual([80, 80, 200]);
});

test('prose is folded where it does not fit, and what people copy is left as it is', () => {
  const text = 'one two three\nfour five\n\n  umbel worker --with-a-long-option\n\nshort\nlines';
  expect(reflowed(text, 10)).toBe(
    'one two\nthree four\nfive\n\n  umbel worker --with-a-long-option\n\nshort\nlines',
  );
});
