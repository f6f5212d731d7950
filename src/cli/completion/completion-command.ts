/** `perdure completion`: a script that lets a shell complete commands, options and files. */
import type { Command, CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { bashScript } from './bash-script.ts'
import { fishScript } from './fish-script.ts'
import { zshScript } from './zsh-script.ts'

const SCRIPTS: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}
const SHELLS = Object.keys(SCRIPTS)

/** @param commands asked for when it runs: it is one of them */
export function completionCommandOf(commands: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'Prints a script that lets a shell complete commands, options and files.',
    operands: ['SHELL'],
    words: SHELLS,
    options: { help: { says: 'this help', short: 'h' } },
    examples: [
      {
        line: 'source <(perdure completion bash)',
        says: 'in ~/.bashrc; also for zsh, in ~/.zshrc after compinit',
      },
      {
        line: 'perdure completion fish > ~/.config/fish/completions/perdure.fish',
        says: 'fish looks there by itself',
      },
    ],
    async run({ operands, output }: CommandCall) {
      const [shell = ''] = operands
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
      if (script === undefined)
        throw new UsageError(
          `there is no completion for '${shell}'`,
          `There is one for ${SHELLS.join(', ')}.`,
        )
      output.line(script(commands()))
      return 0
    },
  }
}
