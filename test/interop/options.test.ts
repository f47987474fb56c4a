// Every option of Celery's commands is understood by ours: it does the same, or says why it has no meaning here.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { foreignOptions } from '../../src/cli/celery-options.ts';
import { createProgram } from '../../src/cli/program.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';

interface CeleryOption {
  readonly flags: readonly string[];
  readonly takes: boolean;
}

const tell = `
import json, click
from celery.bin.celery import celery
out = {}
def walk(command, path):
    out[' '.join(path)] = [{'flags': [*p.opts], 'takes': not p.is_flag} for p in command.params if isinstance(p, click.Option)]
    for name, child in getattr(command, 'commands', {}).items():
        walk(child, [*path, name])
walk(celery, [])
print(json.dumps(out))`;

/** Celery has a prompt as a command; ours is `amqp` alone. */
const otherwise = ['amqp repl'];

needs(test, noPython)("every command and option of Celery's is understood", () => {
  const read: unknown = JSON.parse(
    execFileSync(process.env.INTEROP_PYTHON ?? '/usr/bin/python3', ['-c', tell], { encoding: 'utf8' }),
  );
  const theirs = read as Readonly<Record<string, readonly CeleryOption[]>>; // of the program above
  expect(Object.keys(theirs).length).toBeGreaterThan(25);
  const missing: string[] = [];
  for (const [path, options] of Object.entries(theirs)) {
    if (otherwise.includes(path) || path.startsWith('amqp ')) continue;
    let command = createProgram();
    for (const name of path.split(' ').filter(Boolean)) {
      const child = command.commands.find((each) => each.name() === name);
      if (child === undefined) {
        // Those of logtool are an argument here.
        if (!command.registeredArguments.some(({ variadic, required }) => variadic || required))
          missing.push(path);
        break;
      }
      command = child;
    }
    for (const { flags, takes } of options)
      for (const flag of flags) {
        const ours = command.options.find(({ short, long }) => short === flag || long === flag);
        if (ours === undefined || (takes && !ours.required && !ours.optional))
          missing.push(`${path} ${flag}`);
      }
  }
  expect(missing).toEqual([]);
});

test('what has no meaning here says why', () => {
  for (const options of Object.values(foreignOptions))
    for (const { flags, why } of options) expect([flags, why.length > 10]).toEqual([flags, true]);
});
