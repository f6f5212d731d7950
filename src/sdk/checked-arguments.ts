/**
 * Arguments of the client's calls, as programs without types may give them: what is wrong with them is said before
 * anything is recorded. What is recorded can be written by any store.
 */
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Limits } from '../protocol/limits.ts'

/** UTF-8 bytes of the reason of a cancellation or termination. */
const REASON_LIMIT_BYTES = 4096

/** The names of all options of a call. */
export type OptionNames<T> = { readonly [Name in keyof Required<T>]: true }

/** The options as they are, or none; anything but an object is refused, and so is a name that `names` lacks. */
export function checkedOptions<T extends object>(
  options: T | undefined,
  call: string,
  names?: OptionNames<T>,
): Partial<T> {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new PerdureError('ARGUMENT_INVALID', `the options of ${call} are not an object`)
  if (names !== undefined) checkNames(options, names, (name) => `${call} has no option '${name}'`)
  return options
}

/** A misspelled option would be ignored without a word. */
export function checkNames(given: object, names: object, what: (name: string) => string): void {
  for (const name in given)
    if (!Object.hasOwn(names, name))
      throw new PerdureError('ARGUMENT_INVALID', `${what(name)}; there are ${Object.keys(names).join(', ')}`)
}

/** The name of a signal, query or update that the function of that name made. */
export function nameOf(
  definition: { readonly kind: string; readonly name: string },
  kind: 'signal' | 'query' | 'update',
  call?: string,
): string {
  if (definition?.kind !== kind) {
    const of = call === undefined ? '' : `${call}: `
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${of}the first argument is not ${kind === 'update' ? 'an' : 'a'} ${kind} that ${kind}() made`,
    )
  }
  return checkedName(definition.name, `the name of the ${kind}`)
}

/** The id that repeats of a request share, if it is given. */
export function checkedRequestId(id: string | undefined, limits: Limits): string | undefined {
  return id === undefined ? undefined : checkedName(id, 'the id of the request', limits.idBytes)
}

export function checkedReason(reason: string): string {
  if (typeof reason !== 'string')
    throw new PerdureError('ARGUMENT_INVALID', `the reason is of type ${typeof reason}, not a string`)
  return reason === '' ? reason : checkedName(reason, 'the reason', REASON_LIMIT_BYTES)
}
