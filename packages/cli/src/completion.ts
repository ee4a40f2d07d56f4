/** Completes command lines by walking the command definitions, so it can't go stale. */
import type { Command, Option } from 'commander';

/** Names that come from Nacos. */
export interface DynamicNames {
  groups(): Promise<readonly string[]>;
  lanes(): Promise<readonly string[]>;
  services(): Promise<readonly string[]>;
}

/** Candidates for the last word of a command line, which may be empty. The first word after `lane` is the first of `words`. */
export async function complete(program: Command, words: readonly string[], names: DynamicNames): Promise<readonly string[]> {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  let command = program;
  let position = 0;
  for (let i = 0; i < before.length; i++) {
    const word = before[i] as string;
    if (word === '--') return [];
    if (word.startsWith('-')) {
      const option = optionNamed(command, word);
      if (option !== undefined && takesValue(option) && !word.includes('=')) i++;
      continue;
    }
    const sub = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (sub !== undefined) command = sub;
    else position++;
  }
  return (await candidates(command, before.at(-1) ?? '', current, position, names)).filter((word) => word.startsWith(current)).toSorted();
}

async function candidates(command: Command, last: string, current: string, position: number, names: DynamicNames): Promise<readonly string[]> {
  const option = last.startsWith('-') && !last.includes('=') ? optionNamed(command, last) : undefined;
  if (option !== undefined && takesValue(option)) {
    if (option.argChoices !== undefined) return option.argChoices;
    return /service/.test(option.flags) ? names.services() : [];
  }
  const [name = '', value] = current.split(/=(.*)/s);
  if (value !== undefined && name.startsWith('-')) {
    const choices = optionNamed(command, name)?.argChoices ?? [];
    return choices.map((choice) => `${name}=${choice}`);
  }
  if (current.startsWith('-')) return [...command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long])), '--help'];
  const subcommands = command.commands.map((each) => each.name()).filter((name) => !name.startsWith('__'));
  if (subcommands.length > 0) return subcommands;
  const argument = command.registeredArguments[position] ?? undefined;
  if (argument?.argChoices !== undefined) return argument.argChoices;
  if (argument?.name() === 'group') return names.groups();
  if (argument?.name() === 'group/lane') return names.lanes();
  return [];
}

function optionNamed(command: Command, word: string): Option | undefined {
  const name = word.split('=')[0];
  return command.options.find(({ long, short }) => long === name || short === name);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** The shells' scripts; each runs `lane __complete` at each completion. */
export const COMPLETION_SCRIPTS = {
  bash: `# lane: completion for bash. Put into ~/.bashrc:  eval "$(lane completion bash)"
_lane_complete() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() current typed IFS=$' \\t\\n'
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=\${words[\${#words[@]}-1]}
  IFS=$'\\n'
  COMPREPLY=($(lane __complete -- "\${words[@]:1}" 2>/dev/null))
  # To bash, what comes after = or : is a word of its own.
  typed=\${current%"\${current##*[=:]}"}
  COMPREPLY=("\${COMPREPLY[@]#"$typed"}")
  # Without names of ours, files.
  [ -z "\${COMPREPLY[*]}" ] && { COMPREPLY=(); compopt -o default 2>/dev/null; }
  return 0
}
complete -F _lane_complete lane
`,
  zsh: `#compdef lane
# lane: completion for zsh. Put into ~/.zshrc, after compinit:  eval "$(lane completion zsh)"
_lane() {
  local -a candidates
  candidates=("\${(@f)$(lane __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(\${candidates:#})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
if (( $+functions[compdef] )); then compdef _lane lane; fi
`,
} as const;
