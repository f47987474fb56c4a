#!/usr/bin/env node
// The command `umbel`, as a process. The commands are in commands/, one file each.
import { outliveTerminal, unlessGone } from '../lib/terminal-gone.ts';
import { runCommand } from './run-command.ts';
import { endAtStopSignals } from './stop-signals.ts';

endAtStopSignals();
outliveTerminal();

// `umbel dead list | head` closes our output early, which is not an error.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    unlessGone(error);
  });

process.exitCode = await runCommand(process.argv);
// The user's module may keep timers or connections open, so the command exits explicitly, after its output is written.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
