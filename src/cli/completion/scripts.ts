// Completion scripts for shells, made from the commands themselves. Pure.
import { kindOfArguments } from './kinds.ts';
import { type CompletionNode, places, walk } from './tree.ts';
import { zsh } from './zsh.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

export function completionScript(root: CompletionNode, shell: Shell): string {
  return { bash, zsh, fish }[shell](root);
}

function bash(root: CompletionNode): string {
  const cases: string[] = [];
  const values: string[] = [];
  const paths: string[] = [];
  for (const [path, { words: fixed, commands, options }] of walk(root, '')) {
    const words = [...fixed, ...commands.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)];
    const kind = kindOfArguments(path);
    cases.push(`    '${path}') words='${words.join(' ')}'${kind === undefined ? '' : `; kind=${kind}`} ;;`);
    if (path !== '') paths.push(`'${path}'`);
    for (const { flags, names, choices } of options) {
      const patterns = flags.map((flag) => `'${path} ${flag}'`).join('|');
      if (names !== undefined) values.push(`    ${patterns}) words=''; kind=${names} ;;`);
      else if (choices.length > 0) values.push(`    ${patterns}) words='${choices.join(' ')}'; kind='' ;;`);
    }
  }
  // Bash splits a word at '=', ':' and '@': 'typed' is the whole of it, 'cut' the part that bash leaves alone.
  return `_umbel() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' next word words='' kind='' list='' name
  local line="\${COMP_LINE-\${COMP_WORDS[*]:0:COMP_CWORD+1}}"
  line="\${line:0:\${COMP_POINT-\${#line}}}"
  local typed="\${line##*[[:space:]]}" rest="$line " option='' place=()
  local before="\${line%"$typed"}"
  before="\${before%"\${before##*[![:space:]]}"}"
  local previous="\${before##*[[:space:]]}"
  if [[ "$typed" == --*=* ]]; then previous="\${typed%%=*}"; typed="\${typed#*=}"; fi
  if [[ "$current" == [=:@] ]]; then current=''; fi
  local cut="\${typed%"$current"}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${paths.join('|')}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${values.join('\n')}
  esac
  COMPREPLY=()
  if [[ -n "$kind" && "$typed" != -* ]]; then
    while [[ "$rest" == *[[:space:]]* ]]; do
      word="\${rest%%[[:space:]]*}"
      rest="\${rest#*[[:space:]]}"
      if [[ -n "$option" ]]; then place+=("$option" "$word"); option=''; fi
      case "$word" in
        ${places.join('|')}) option="$word" ;;
        ${places.map((flag) => `${flag}=*`).join('|')}) place+=("$word") ;;
      esac
    done
    if [[ "$typed" == *,* ]]; then list="\${typed%,*},"; fi
    while IFS= read -r name; do
      if [[ "$list$name" == "$typed"* ]]; then name="$list$name"; COMPREPLY+=("\${name#"$cut"}"); fi
    done < <(umbel completion bash --names "$kind" "\${place[@]}" < /dev/null 2> /dev/null)
  fi
  if [[ -n "$words" ]]; then COMPREPLY+=($(compgen -W "$words" -- "$current")); fi
  if [[ \${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _umbel umbel`;
}

function fish(root: CompletionNode): string {
  const lines: string[] = [
    `function __umbel_names
    set -l words (commandline -opc)
    set -l place
    for at in (seq 2 (count $words))
        switch $words[$at]
            case ${places.join(' ')}
                set -a place $words[$at] $words[(math $at + 1)]
            case ${places.map((flag) => `'${flag}=*'`).join(' ')}
                set -a place $words[$at]
        end
    end
    umbel completion fish --names $argv[1] $place < /dev/null 2> /dev/null
end`,
  ];
  // Not __fish_use_subcommand: to that the value of an option before the command is the command.
  const none = `not __fish_seen_subcommand_from ${root.commands.map(({ name }) => name).join(' ')}`;
  for (const { name, description } of root.commands)
    lines.push(`complete -c umbel -n ${quoted(none)} -a ${name} -d ${quoted(description)}`);
  for (const [path, { words, options, commands }] of walk(root, '')) {
    const seen = path
      .split(' ')
      .filter((name) => name !== '')
      .map((name) => `__fish_seen_subcommand_from ${name}`)
      .join('; and ');
    const when = seen === '' ? '' : ` -n ${quoted(seen)}`;
    if (path !== '')
      for (const { name, description } of commands)
        lines.push(`complete -c umbel${when} -a ${name} -d ${quoted(description)}`);
    if (words.length > 0) lines.push(`complete -c umbel${when} -f -a ${quoted(words.join(' '))}`);
    const kind = kindOfArguments(path);
    if (kind !== undefined) lines.push(`complete -c umbel${when} -f -a '(__umbel_names ${kind})'`);
    for (const { flags, description, names, choices } of options) {
      const value =
        names !== undefined
          ? ` -x -a '(__fish_complete_list , "__umbel_names ${names}")'`
          : choices.length > 0
            ? ` -x -a ${quoted(choices.join(' '))}`
            : '';
      const named = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      lines.push(`complete -c umbel${when} ${named.join(' ')}${value} -d ${quoted(description)}`);
    }
  }
  return lines.join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
