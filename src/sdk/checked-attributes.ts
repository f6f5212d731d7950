/** Search attributes: a few plain values per execution, stored in the clear. */
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Attributes } from '../protocol/event.ts'

const ATTRIBUTES_LIMIT = 64
const TEXT_LIMIT = 4096

export function checkedAttributes(values: Attributes): Attributes {
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new PerdureError('ARGUMENT_INVALID', 'the attributes are not an object of names and values')
  const checked: Record<string, string | number | boolean | null> = {}
  const entries = Object.entries(values)
  if (entries.length > ATTRIBUTES_LIMIT)
    throw new PerdureError('ARGUMENT_INVALID', `more than ${ATTRIBUTES_LIMIT} attributes`)
  for (const [name, value] of entries) {
    checkedName(name, 'the name of an attribute')
    const isPlain =
      value === null ||
      typeof value === 'boolean' ||
      typeof value === 'string' ||
      (typeof value === 'number' && Number.isFinite(value))
    if (!isPlain)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `attribute '${name}' is not a string, finite number, boolean or null`,
      )
    if (typeof value === 'string' && value !== '') checkedName(value, `attribute '${name}'`, TEXT_LIMIT)
    checked[name] = value
  }
  return checked
}
