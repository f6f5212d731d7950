import type { Command } from '../command.ts'
import { isPath, namesOf, secondsOf, takesFiles } from './completable.ts'

/** For bash 3.2 and newer, without the package bash-completion. */
export function bashScript(commands: readonly Command[]): string {
  const names = [...commands.map(({ name }) => name), 'help', '--help', '--version']
  return `# Completion of perdure for bash: source <(perdure completion bash)
_perdure() {
  local cur prev options valued paths words seconds files
  COMPREPLY=()
  cur=\${COMP_WORDS[COMP_CWORD]}
  prev=\${COMP_WORDS[COMP_CWORD-1]}
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$cur"))
    return
  fi
  case \${COMP_WORDS[1]} in
${commands.map(bashCase).join('\n')}
    help)
      options= valued= paths= seconds= files=
      words='${commands.map(({ name }) => name).join(' ')}' ;;
    *) return ;;
  esac
  if [[ " $valued " == *" $prev "* ]]; then
    if [[ " $paths " == *" $prev "* ]]; then files=1; else return; fi
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  elif ((COMP_CWORD == 2)) && [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    return
  elif ((COMP_CWORD == 3)) && [[ -n $seconds ]]; then
    COMPREPLY=($(compgen -W "$seconds" -- "$cur"))
    return
  fi
  if [[ -n $files ]]; then
    local IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _perdure perdure`
}

function bashCase(command: Command): string {
  const { name, options, words = [] } = command
  return `    ${name})
      options='${namesOf(options, () => true).join(' ')}'
      valued='${namesOf(options, ({ value }) => value !== undefined).join(' ')}'
      paths='${namesOf(options, isPath).join(' ')}'
      words='${words.join(' ')}' files=${takesFiles(command) ? '1' : ''} seconds=${secondsCase(command)} ;;`
}

function secondsCase(command: Command): string {
  const cases = secondsOf(command)
  if (cases.length === 0) return ''
  return `
      case \${COMP_WORDS[2]} in
${cases.map(([first, seconds]) => `        ${first}) seconds='${seconds}' ;;`).join('\n')}
      esac`
}
