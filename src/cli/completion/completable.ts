/** What can be completed of the commands, for the scripts of all shells. */
import type { Command, OptionSpec } from '../command.ts'

/** Values of options, and operands, that are paths. */
const PATHS: ReadonlySet<string> = new Set(['FILE', 'STORE', 'DIRECTORY'])

export function isPath({ value }: OptionSpec): boolean {
  return value !== undefined && PATHS.has(value)
}

export function takesFiles({ operands }: Command): boolean {
  return operands.some((each) => PATHS.has(each.replaceAll(/[[\]…]/g, '')))
}

/** The first sentence or so: a line of a menu. */
export function glance(text: string): string {
  return text.split(/[;:.] /)[0]?.replace(/\.$/, '') ?? text
}

export function namesOf(options: Command['options'], isWanted: (spec: OptionSpec) => boolean): string[] {
  return Object.entries(options).flatMap(([name, spec]) => (isWanted(spec) ? [`--${name}`] : []))
}
