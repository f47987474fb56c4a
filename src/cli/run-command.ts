// Runs a command line, from its words to its exit code.
import { CommanderError } from 'commander';
import { UmbelError } from '../errors.ts';
import { redacted } from '../lib/redact.ts';
import { commandsIn } from './command-table.ts';
import { createProgram } from './program.ts';
import { cleanLines } from './terminal/clean.ts';
import { exitCode, NotStarted, UsageError } from './usage.ts';

/** Runs the command in `argv` (like `process.argv`). Prints errors on stderr, and resolves to the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    const program = createProgram(commandsIn(argv));
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? exitCode.ok);
  } catch (error) {
    // commander has printed the error; its own codes are 0 (help, version) and 1
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    explain(error, argv.includes('--debug') || Boolean(process.env.UMBEL_DEBUG));
    if (error instanceof UmbelError && error.code === 'UMBEL_PID_FILE') return exitCode.cannotCreate;
    if (error instanceof NotStarted) return error.exitCode || exitCode.failed;
    return error instanceof UsageError ? exitCode.usage : exitCode.failed;
  }
}

/** Prints an error as one line with its code and a hint; the stack only with --debug. */
function explain(error: unknown, debug: boolean): void {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof UmbelError ? error.code : error instanceof Error ? error.name : 'error';
  process.stderr.write(`umbel: ${cleanLines(redacted(message))} [${code}]\n`);
  if (debug && error instanceof Error) {
    for (let current: unknown = error; current instanceof Error; current = current.cause) {
      process.stderr.write(`${cleanLines(redacted(current.stack ?? current.message))}\n`);
    }
  } else if (!(error instanceof UmbelError)) {
    process.stderr.write('umbel: run it again with --debug to see where it comes from\n');
  }
}
