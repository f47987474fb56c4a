import { Argument, Command, Option } from 'commander';
import { type CommonOptions, optionsOf } from '../common.ts';
import { type NameKind, nameKinds } from '../completion/kinds.ts';
import type { Shell } from '../completion/scripts.ts';

interface CompletionOptions extends CommonOptions {
  readonly names?: NameKind;
}

/** `umbel completion`: prints the script by which a shell completes commands, options and names. */
export function completionCommand(): Command {
  return new Command('completion')
    .description(
      'Print the completion script of your shell: commands, options, and names of your application.',
    )
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addOption(
      new Option('--names <kind>', 'Print the names that the script offers, at most after 2 s.').choices(
        nameKinds,
      ),
    )
    .addHelpText(
      'after',
      `
Examples:
  source <(umbel completion bash)                                  in ~/.bashrc
  source <(umbel completion zsh)                                   in ~/.zshrc
  umbel completion fish > ~/.config/fish/completions/umbel.fish

Tasks, queues, workers and schedules are looked up when you press Tab, with the -A and -b
of the line, UMBEL_APP and UMBEL_BROKER_URL, or ./app.ts. What does not answer offers no names.`,
    )
    .action(async (shell: Shell, _: unknown, self: Command) => {
      const options = optionsOf<CompletionOptions>(self);
      if (options.names !== undefined) {
        const { namesOf } = await import('../completion/names.ts');
        const kind = options.names;
        for (const name of await silently(() => namesOf(kind, options))) process.stdout.write(`${name}\n`);
        return;
      }
      const { completionScript } = await import('../completion/scripts.ts');
      const { nodeOf } = await import('../completion/tree.ts');
      let root = self;
      while (root.parent) root = root.parent;
      process.stdout.write(`${completionScript(nodeOf(root), shell)}\n`);
    });
}

/** What an application prints while it is loaded is no name. */
async function silently<T>(work: () => Promise<T>): Promise<T> {
  const { write } = process.stdout;
  process.stdout.write = () => true;
  try {
    return await work();
  } finally {
    process.stdout.write = write;
  }
}
