import type { Command, OptionSpec } from '../command.ts'
import { glance, isPath, secondsOf, takesFiles } from './completable.ts'

export function zshScript(commands: readonly Command[]): string {
  return `#compdef perdure
# Completion of perdure for zsh: source <(perdure completion zsh), after compinit; or as the file _perdure in $fpath
_perdure() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${glance(summary)}`)}`).join('\n')}
    'help:shows the help of a command'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map(zshCase).join('\n')}
    help) _describe command commands ;;
  esac
}
if [[ $funcstack[1] == _perdure ]]; then _perdure "$@"; else compdef _perdure perdure; fi`
}

function zshCase(command: Command): string {
  const { name, options, words = [] } = command
  const specs = Object.entries(options).map(([option, spec]) => quoted(specOf(option, spec)))
  const first = words.length > 0 ? [quoted(`1:what:(${words.join(' ')})`)] : []
  const cases = secondsOf(command).map(([word, seconds]) => `${word}) compadd -- ${seconds} ;; `)
  const otherwise = takesFiles(command) ? '*) _files ;; ' : ''
  const second =
    cases.length === 0 ? [] : [quoted(`2:what:{case $words[2] in ${cases.join('')}${otherwise}esac}`)]
  const files = takesFiles(command) ? [quoted('*:file:_files')] : []
  return `    ${name})
      _arguments \\
        ${[...specs, ...first, ...second, ...files].join(' \\\n        ')} ;;`
}

function specOf(name: string, spec: OptionSpec): string {
  const { value, says, multiple } = spec
  const text = glance(says).replaceAll(/[\\[\]:]/g, (each) => `\\${each}`)
  const argument =
    value === undefined ? '' : `:${value.replaceAll(':', '\\:')}:${isPath(spec) ? '_files' : ' '}`
  return `${multiple === true ? '*' : ''}--${name}[${text}]${argument}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
