import type { Command } from '../command.ts'
import { glance, isPath, secondsOf, takesFiles } from './completable.ts'

export function fishScript(commands: readonly Command[]): string {
  return `# Completion of perdure for fish: perdure completion fish > ~/.config/fish/completions/perdure.fish
function __perdure_command
  set -l words (commandline -opc)
  test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"
end
function __perdure_first_operand
  __perdure_command $argv[1]; and test (count (commandline -opc)) -eq 2
end
function __perdure_second_operand
  set -l words (commandline -opc)
  __perdure_command $argv[1]; and test (count $words) -eq 3; and test "$words[3]" = "$argv[2]"
end
complete -c perdure -f
${commands.map(({ name, summary }) => `complete -c perdure -n __fish_use_subcommand -a ${name} -d ${quoted(glance(summary))}`).join('\n')}
complete -c perdure -n __fish_use_subcommand -a help -d 'shows the help of a command'
complete -c perdure -n '__perdure_first_operand help' -a ${quoted(commands.map(({ name }) => name).join(' '))}
${commands.flatMap(linesOf).join('\n')}`
}

function linesOf(command: Command): string[] {
  const { name, options, words = [] } = command
  const here = `complete -c perdure -n '__perdure_command ${name}'`
  return [
    ...(words.length > 0
      ? [`complete -c perdure -n '__perdure_first_operand ${name}' -a ${quoted(words.join(' '))}`]
      : []),
    ...secondsOf(command).map(
      ([first, seconds]) =>
        `complete -c perdure -n '__perdure_second_operand ${name} ${first}' -a ${quoted(seconds)}`,
    ),
    ...(takesFiles(command) ? [`${here} -F`] : []),
    ...Object.entries(options).map(([option, spec]) => {
      const short = spec.short === undefined ? '' : ` -s ${spec.short}`
      const argument = spec.value === undefined ? '' : isPath(spec) ? ' -r -F' : ' -x'
      return `${here} -l ${option}${short}${argument} -d ${quoted(glance(spec.says))}`
    }),
  ]
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
