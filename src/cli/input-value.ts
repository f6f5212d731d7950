/** A value on a command line: JSON, a file with it, or standard input. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CommandCall, OptionSpec } from './command.ts'
import { standardInput } from './standard-input.ts'
import { UsageError } from './usage-error.ts'

export const INPUT_OPTION = {
  input: {
    value: 'JSON',
    says: 'what it is given: JSON, @FILE with JSON, or - for standard input; default: nothing',
  },
} as const satisfies Record<string, OptionSpec>

/** Of `--input`, or another option of its kind; undefined: there is none. */
export async function inputOf(
  { options, directory, stdin }: CommandCall,
  option = 'input',
): Promise<unknown> {
  const given = options.text(option)
  if (given === undefined) return undefined
  if (given === '-') return parsed(await standardInput(stdin), 'standard input')
  if (given.startsWith('@')) {
    const path = resolve(directory, given.slice(1))
    return parsed(fileText(path), path)
  }
  return parsed(given, `--${option} ${given}`)
}

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(
      `the input ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(
      `${what} is no JSON`,
      `Such as --input '{"total":3}'; a text needs quotes: --input '"ada"'.`,
    )
  }
}
