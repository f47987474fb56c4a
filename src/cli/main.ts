#!/usr/bin/env node
// The command `umbel`. The commands are in commands/, one file each.
import { CommanderError } from 'commander';
import { UmbelError } from '../errors.ts';
import { createProgram } from './program.ts';
import { redacted } from './redact.ts';
import { exitCode, NotStarted, UsageError } from './usage.ts';

// `umbel dead list | head` closes our output early; that is no error.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });

process.exitCode = await runCommand(process.argv);
// The user's module may keep timers or connections open; a command that is done ends. First let the output out.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));

async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...argv]);
    return Number(process.exitCode ?? exitCode.ok);
  } catch (error) {
    // commander has said it already; its own codes are 0 (help, version) and 1
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    explain(error, argv.includes('--debug') || Boolean(process.env.UMBEL_DEBUG));
    if (error instanceof UmbelError && error.code === 'UMBEL_PID_FILE') return exitCode.cannotCreate;
    if (error instanceof NotStarted) return error.exitCode || exitCode.failed;
    return error instanceof UsageError ? exitCode.usage : exitCode.failed;
  }
}

/** One line with the code and the way out; the stack only on request. */
function explain(error: unknown, debug: boolean): void {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof UmbelError ? error.code : error instanceof Error ? error.name : 'error';
  process.stderr.write(`umbel: ${redacted(message)} [${code}]\n`);
  if (debug && error instanceof Error) {
    for (let current: unknown = error; current instanceof Error; current = current.cause) {
      process.stderr.write(`${redacted(current.stack ?? current.message)}\n`);
    }
  } else if (!(error instanceof UmbelError)) {
    process.stderr.write('umbel: run it again with --debug to see where it comes from\n');
  }
}
