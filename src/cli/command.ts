/** What a command is: its words for `--help`, and what it does with a command line that was understood. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearestWord } from './nearest-word.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'

export interface OptionSpec {
  /** Name of its value in the help; absent: a flag. */
  readonly value?: string
  readonly says: string
  readonly multiple?: true
  readonly short?: string
}

export interface Command {
  readonly name: string
  readonly summary: string
  /** Names of its operands: `ID` is required, `[FILE]` is not, `[FILE…]`, as the last, any number of them. */
  readonly operands: readonly string[]
  /** What its first operand may be, for completion: actions. */
  readonly words?: readonly string[]
  /** What its second operand may be, by the first. */
  readonly secondWords?: Readonly<Record<string, readonly string[]>>
  /** What it can do, for its help. */
  readonly actions?: readonly { readonly usage: string; readonly says: string }[]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly { readonly line: string; readonly says: string }[]
  /** Whether `--watch` may repeat it. Default: without an action, and those of lists. */
  isLooking?(operands: readonly string[]): boolean
  /** Resolves to the exit code. */
  run(call: CommandCall): Promise<number>
}

export interface CommandCall {
  readonly options: GivenOptions
  readonly operands: readonly string[]
  readonly output: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly directory: string
  readonly nowMs: number
  /** Absent: there is none, and what is read of it is empty. */
  readonly stdin?: AsyncIterable<Buffer | string> | undefined
}

export const STORE_OPTIONS = {
  store: {
    value: 'STORE',
    says: 'sqlite:PATH or postgres://…; default $PERDURE_STORE, or the only perdure *.db file of the current directory',
  },
} as const satisfies Record<string, OptionSpec>

export const COMMON_OPTIONS = {
  json: { says: 'JSON, one object per line' },
  help: { says: 'this help', short: 'h' },
} as const satisfies Record<string, OptionSpec>

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

export class GivenOptions {
  readonly #values: Values

  constructor(values: Values) {
    this.#values = values
  }

  /** Of those that were given. */
  names(): readonly string[] {
    return Object.keys(this.#values)
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** The last one given. */
  text(name: string): string | undefined {
    return this.texts(name).at(-1)
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name]
    return (Array.isArray(value) ? value : [value]).filter((each) => typeof each === 'string')
  }

  /** A whole number of at least `least`. */
  count(name: string, least: number): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!Number.isSafeInteger(count) || count < least)
      throw new UsageError(`--${name} ${text} is not a whole number of ${least} or more`)
    return count
  }
}

/** Understands the arguments of a command, or throws a `UsageError` that names the nearest option. */
export function parseCommandLine(
  command: Pick<Command, 'options' | 'operands'>,
  args: readonly string[],
): { readonly options: GivenOptions; readonly operands: readonly string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { value, multiple, short }] of Object.entries(command.options)) {
    options[name] = {
      type: value === undefined ? 'boolean' : 'string',
      multiple: multiple === true,
      ...(short === undefined ? {} : { short }),
    }
  }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (values.help !== true) checkOperands(command.operands, positionals)
    return { options: new GivenOptions(values), operands: positionals }
  } catch (error) {
    throw usageErrorOf(error, Object.keys(command.options))
  }
}

/** @throws UsageError: one is missing, or there are too many */
export function checkOperands(names: readonly string[], operands: readonly string[]): void {
  const missing = names[operands.length]
  if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`)
  if (names.at(-1)?.endsWith('…]') === true) return
  const surplus = operands[names.length]
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is one argument too many`)
}

function usageErrorOf(error: unknown, names: readonly string[]): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const { code, message } = error
  if (typeof code !== 'string' || !code.startsWith('ERR_PARSE_ARGS')) return error
  const unknown = /^Unknown option '(--?([^']+))'/.exec(message)
  if (unknown === null) return new UsageError(message.split(/\.\s|\n/)[0] ?? message)
  const nearest = nearestWord(unknown[2] ?? '', names)
  return new UsageError(
    `there is no option ${unknown[1]}`,
    nearest === undefined ? undefined : `Did you mean --${nearest}?`,
  )
}
