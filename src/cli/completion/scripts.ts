// Completion scripts for shells, made from the commands themselves. Pure.
import type { Command } from 'commander';

export type Shell = 'bash' | 'zsh' | 'fish';

interface CompletionNode {
  readonly name: string;
  readonly description: string;
  readonly options: readonly { readonly flags: readonly string[]; readonly description: string }[];
  readonly commands: readonly CompletionNode[];
}

/** The completion tree of a command. */
export function nodeOf(command: Command): CompletionNode {
  return {
    name: command.name(),
    description: command.description(),
    options: command.options
      .filter((option) => !option.hidden)
      .map(({ short, long, description }) => ({
        flags: [short, long].filter((flag) => flag !== undefined && flag !== null),
        description,
      })),
    commands: command.commands.map(nodeOf),
  };
}

export function completionScript(root: CompletionNode, shell: Shell): string {
  if (shell === 'fish') return fish(root);
  const script = bash(root);
  return shell === 'bash' ? script : `#compdef umbel\nautoload -U +X bashcompinit && bashcompinit\n${script}`;
}

/** Each command with its path: `dead list`. */
function* walk(node: CompletionNode, path: string): Iterable<readonly [path: string, node: CompletionNode]> {
  yield [path, node];
  for (const child of node.commands) yield* walk(child, path === '' ? child.name : `${path} ${child.name}`);
}

function bash(root: CompletionNode): string {
  const cases: string[] = [];
  const paths: string[] = [];
  for (const [path, { commands, options }] of walk(root, '')) {
    const words = [...commands.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)];
    cases.push(`    '${path}') words='${words.join(' ')}' ;;`);
    if (path !== '') paths.push(`'${path}'`);
  }
  return `_umbel() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' next word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${paths.join('|')}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _umbel umbel`;
}

function fish(root: CompletionNode): string {
  const lines: string[] = [];
  for (const { name, description } of root.commands)
    lines.push(`complete -c umbel -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`);
  for (const [path, { options, commands }] of walk(root, '')) {
    const seen = path
      .split(' ')
      .filter((name) => name !== '')
      .map((name) => `__fish_seen_subcommand_from ${name}`)
      .join('; and ');
    const when = seen === '' ? '' : ` -n ${quoted(seen)}`;
    if (path !== '')
      for (const { name, description } of commands)
        lines.push(`complete -c umbel${when} -a ${name} -d ${quoted(description)}`);
    for (const { flags, description } of options) {
      const named = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      lines.push(`complete -c umbel${when} ${named.join(' ')} -d ${quoted(description)}`);
    }
  }
  return lines.join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
