/** What can be completed of the commands, for the scripts of all shells. */
import type { Command, OptionSpec } from '../command.ts'

/** Values of options, and operands, that are paths. */
const PATHS: ReadonlySet<string> = new Set(['FILE', 'STORE', 'DIRECTORY'])

export function isPath({ value }: OptionSpec): boolean {
  return value !== undefined && PATHS.has(value)
}

export function takesFiles({ operands, actions = [] }: Command): boolean {
  const taken = [...operands, ...actions.flatMap(({ usage }) => usage.split(' '))]
  return taken.some((each) => PATHS.has(each.replaceAll(/[[\]…]/g, '')))
}

/** What the second operand may be, of those first ones that have some. */
export function secondsOf({ secondWords = {} }: Command): readonly (readonly [string, string])[] {
  return Object.entries(secondWords).flatMap(([first, seconds]) =>
    seconds.length === 0 ? [] : [[first, seconds.join(' ')] as const],
  )
}

/** The first sentence or so: a line of a menu. */
export function glance(text: string): string {
  return text.split(/[;:.] /)[0]?.replace(/\.$/, '') ?? text
}

export function namesOf(options: Command['options'], isWanted: (spec: OptionSpec) => boolean): string[] {
  return Object.entries(options).flatMap(([name, spec]) => (isWanted(spec) ? [`--${name}`] : []))
}
