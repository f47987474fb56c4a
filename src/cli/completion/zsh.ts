// The completion script for zsh. Pure.
import { kindOfArguments } from './kinds.ts';
import { type CompletionNode, places, walk } from './tree.ts';

/**
 * Works in both ways: read by `source` it registers itself; as a file `_umbel` in fpath, which zsh reads at the first Tab, it completes at once.
 * `words`, `path`, `commands` and `options` are arrays of zsh's own: no variable has such a name.
 */
export function zsh(root: CompletionNode): string {
  const cases: string[] = [];
  const values: string[] = [];
  const known: string[] = [];
  for (const [path, { words, commands, options }] of walk(root, '')) {
    const kind = kindOfArguments(path);
    const flags = options.flatMap((option) =>
      option.flags.map((flag) => described(flag, option.description)),
    );
    cases.push(`    (${quoted(path)})
      subs=(${[...words.map(quoted), ...commands.map(({ name, description }) => described(name, description))].join(' ')})
      flags=(${flags.join(' ')})${kind === undefined ? '' : `\n      kind=${kind}`} ;;`);
    if (path !== '') known.push(quoted(path));
    for (const { flags, names, choices, takesValue } of options) {
      if (!takesValue) continue;
      const patterns = flags.map((flag) => quoted(`${path} ${flag}`)).join('|');
      const value =
        names !== undefined
          ? `kind=${names}`
          : choices.length > 0
            ? `choices=(${choices.map(quoted).join(' ')})`
            : '';
      values.push(`    (${patterns}) isValue=1 kind='' ${value} ;;`);
    }
  }
  return `#compdef umbel
_umbel() {
  local at='' next word kind='' isValue='' option='' previous="\${(Q)words[CURRENT-1]}"
  local -a subs flags choices place found
  for word in "\${(@Q)words[2,CURRENT-1]}"; do
    next="\${at:+$at }$word"
    case "$next" in
      (${known.join('|')}) at="$next" ;;
    esac
    if [[ -n "$option" ]]; then place+=("$option" "$word"); option=''; continue; fi
    case "$word" in
      (${places.join('|')}) option="$word" ;;
      (${places.map((flag) => `${flag}=*`).join('|')}) place+=("$word") ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  if [[ "$PREFIX" == --*=* ]]; then
    previous="\${PREFIX%%=*}"
    compset -P 1 '*='
  fi
  case "$at $previous" in
${values.join('\n')}
  esac
  if (( $#choices )); then
    compadd -- $choices
    return
  fi
  if [[ -n "$kind" && "$PREFIX" != -* ]]; then
    compset -P '*,'
    found=(\${(f)"$(umbel completion zsh --names "$kind" $place < /dev/null 2> /dev/null)"})
    compadd -- $found && return
  fi
  if [[ -z "$isValue" ]]; then
    if [[ "$PREFIX" != -* ]] && (( $#subs )); then
      _describe -t commands command subs && return
    fi
    if [[ "$PREFIX" == -* || ( $#subs -eq 0 && -z "$kind" ) ]]; then
      _describe -o -t options option flags && return
    fi
  fi
  _files
}
if [[ "$funcstack[1]" == _umbel ]]; then
  _umbel "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _umbel umbel
fi`;
}

/** A word and what it means, as zsh's _describe reads them. */
function described(word: string, meaning: string): string {
  return quoted(`${word.replaceAll(':', '\\:')}:${meaning}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
