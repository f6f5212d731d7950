/** Settings of `perdure start` with where each was given, so that what is wrong with one can be found: a flag over the environment over the file. */
import { PerdureError } from '../../protocol/errors.ts'
import type { PerdureConfig } from '../../server/perdure-config.ts'
import type { CommandCall } from '../command.ts'
import { UsageError } from '../usage-error.ts'

/** What `perdure.config.ts` says, and where it is. */
export interface ConfigFile {
  readonly config: PerdureConfig
  /** Absolute; undefined: there is none. */
  readonly path: string | undefined
}

export interface Given {
  /** Of a flag or a variable a text; of a file anything. */
  readonly value: unknown
  /** Such as `--weight`, `PERDURE_WEIGHT`, or `weight in /etc/orders/perdure.config.ts`. */
  readonly from: string
}

export class GivenSettings {
  readonly #call: Pick<CommandCall, 'options' | 'env'>
  readonly #file: ConfigFile

  constructor(call: Pick<CommandCall, 'options' | 'env'>, file: ConfigFile) {
    this.#call = call
    this.#file = file
  }

  /** Undefined: it is left to its default. */
  of(name: keyof PerdureConfig, flag: string, variable: string): Given | undefined {
    const { options, env } = this.#call
    const text = options.text(flag)
    if (text !== undefined) return { value: text, from: `--${flag}` }
    const value = env[variable]
    if (value !== undefined && value !== '') return { value, from: variable }
    return this.ofFile(name)
  }

  /** One that only the file has. */
  ofFile(name: keyof PerdureConfig): Given | undefined {
    const value: unknown = this.#file.config[name]
    return value === undefined ? undefined : { value, from: this.placeOf(name) }
  }

  placeOf(name: keyof PerdureConfig): string {
    return `${name} in ${this.#file.path ?? 'perdure.config.ts'}`
  }
}

/**
 * @param check answers the value as it is used, or throws
 * @throws UsageError says where the value was given
 */
export function checked<T>(given: Given | undefined, check: (value: unknown) => T): T | undefined {
  return given === undefined ? undefined : at(given.from, () => check(given.value))
}

/** What is wrong is wrong with what was given there. */
export function at<T>(from: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(placed(from, error.message), error.remedy)
    if (error instanceof PerdureError) throw new UsageError(placed(from, error.message))
    throw error
  }
}

/** `it is 0, not a number above 0` becomes `--weight is 0, …`. */
function placed(from: string, message: string): string {
  return message.startsWith('it is ') ? `${from}${message.slice('it'.length)}` : `${from}: ${message}`
}
