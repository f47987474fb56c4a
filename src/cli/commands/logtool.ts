import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { type CommonOptions, optionsOf } from '../common.ts';
import type { Audit, AuditListener } from '../logtool/audit.ts';
import { createOutput, type Output } from '../output.ts';
import { UsageError } from '../usage.ts';

/** `umbel logtool`: analyses the logs of workers. */
export function logtoolCommand(): Command {
  const command = new Command('logtool')
    .description("Analyse the logs of Umbel's workers (JSON or text) and of Python's.")
    .addHelpText(
      'after',
      `
Examples:
  umbel logtool stats log/*.log
  kubectl logs worker-1 | umbel logtool errors
  umbel logtool incomplete worker.log --json`,
    );
  command.addCommand(
    reading(
      'stats',
      'Count the tasks that were received, ended and failed, by name.',
      async (files, output, audit) => {
        const report = (await audit(files, {})).report();
        output.data(report);
        output.say(`Task total: ${report.total}`);
        output.say(`Task errors: ${report.errors}`);
        output.say(`Task success: ${report.succeeded}`);
        output.say(`Task completed: ${report.completed}`);
        output.say(`Task retries: ${report.retries}`);
        output.say('');
        await output.table(
          ['task', 'received'],
          report.types.map(([name, count]) => [name, String(count)]),
        );
      },
    ),
  );
  command.addCommand(
    reading('traces', 'The stacks of errors.', async (files, output, audit) => {
      await audit(files, { onTrace: (text) => print(output, 'trace', text) });
    }),
  );
  command.addCommand(
    reading('errors', 'The lines of tasks that ended without success.', async (files, output, audit) => {
      await audit(files, { onError: (line) => print(output, 'line', line) });
    }),
  );
  command.addCommand(
    reading('incomplete', 'Tasks that were received and did not end.', async (files, output, audit) => {
      const { incomplete } = (await audit(files, {})).report();
      output.data(incomplete);
      for (const { id, name } of incomplete) output.say(`Did not complete: ${id} ${name}`);
    }),
  );
  command.addCommand(
    reading('debug', 'The lines that do not belong to a task.', async (files, output, audit) => {
      await audit(files, { onOther: (line) => print(output, 'line', line) });
    }),
  );
  return command;
}

function print(output: Output, name: string, text: string): void {
  output.say(text);
  output.data({ [name]: text });
}

type Read = (files: readonly string[], listener: AuditListener) => Promise<Audit>;

function reading(
  name: string,
  description: string,
  work: (files: readonly string[], output: Output, read: Read) => Promise<void>,
): Command {
  return new Command(name)
    .description(description)
    .argument('[files...]', 'Log files; default: standard input.')
    .addHelpText('after', `\nExamples:\n  umbel logtool ${name} worker.log`)
    .action(async (files: readonly string[], _: unknown, self: Command) => {
      await work(files, createOutput(optionsOf<CommonOptions>(self)), readAll);
    });
}

/** @throws UsageError for a file that cannot be read */
async function readAll(files: readonly string[], listener: AuditListener): Promise<Audit> {
  const { Audit } = await import('../logtool/audit.ts');
  const audit = new Audit(listener);
  if (files.length === 0 && process.stdin.isTTY)
    throw new UsageError('name the log files: umbel logtool stats worker.log');
  const inputs = files.length === 0 ? [process.stdin] : files.map((file) => createReadStream(file));
  for (const [at, input] of inputs.entries()) {
    const failed = new Promise<never>((_, reject) => {
      input.once('error', (error: Error) =>
        reject(new UsageError(`cannot read '${files[at]}': ${error.message}`, { cause: error })),
      );
    });
    const read = (async () => {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
        audit.feed(line);
    })();
    await Promise.race([read, failed]);
  }
  return audit;
}
