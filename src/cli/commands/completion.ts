import { Argument, Command } from 'commander';
import type { Shell } from '../completion/scripts.ts';

/** `umbel completion`: prints the script by which a shell completes commands and options. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('Print the completion script of your shell.')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  source <(umbel completion bash)                                  in ~/.bashrc
  source <(umbel completion zsh)                                   in ~/.zshrc
  umbel completion fish > ~/.config/fish/completions/umbel.fish`,
    )
    .action(async (shell: Shell, _: unknown, self: Command) => {
      const { completionScript, nodeOf } = await import('../completion/scripts.ts');
      let root = self;
      while (root.parent) root = root.parent;
      process.stdout.write(`${completionScript(nodeOf(root), shell)}\n`);
    });
}
