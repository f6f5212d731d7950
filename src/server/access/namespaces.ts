/** Namespaces, and what may be in them. */

import type { Registry } from '../../engine/registry/registry-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import type { Json } from '../../protocol/json.ts'
import { integer, number, object, optional, shaped } from '../../protocol/shapes.ts'

export const NAMESPACE_KIND = 'namespace'

/** What is not given has no bound. */
export interface Quotas {
  /** Of one payload of a call, encoded. */
  readonly payloadBytes?: number
  /** Calls, on each node. */
  readonly requestsPerSecond?: number
  /** At once: those that run, wait, or are parked. Clients start no more. */
  readonly openExecutions?: number
  /** At once: those that are delayed, wait, or run. Clients enqueue no more. */
  readonly openTasks?: number
}

/** What may be open at most: so many are counted once a second. */
export const OPEN_MOST = 1_000_000
const QUOTAS: { readonly [name in keyof Quotas]-?: string } = {
  payloadBytes: 'a whole number',
  requestsPerSecond: 'a number above 0',
  openExecutions: `a whole number up to ${OPEN_MOST}`,
  openTasks: `a whole number up to ${OPEN_MOST}`,
}

const shape = object({
  quotas: object({
    payloadBytes: optional(integer(0)),
    requestsPerSecond: optional(number(0.001)),
    openExecutions: optional(integer(0, OPEN_MOST)),
    openTasks: optional(integer(0, OPEN_MOST)),
  }),
})
const NO_QUOTAS: Quotas = {}

export class Namespaces {
  readonly #isStrict: boolean
  readonly #unfollow: () => void
  readonly #quotas: Map<string, Quotas>

  constructor(registry: Registry, isStrict: boolean, onChange: (namespace: string) => void) {
    this.#isStrict = isStrict
    this.#quotas = new Map(registry.list(NAMESPACE_KIND).map(({ id, body }) => [id, quotasIn(body)]))
    // One change costs the same, however many namespaces there are.
    this.#unfollow = registry.follow(NAMESPACE_KIND, ({ id }, entry) => {
      if (entry === undefined) this.#quotas.delete(id)
      else this.#quotas.set(id, quotasIn(entry.body))
      onChange(id)
    })
  }

  exists(namespace: string): boolean {
    return !this.#isStrict || namespace === DEFAULT_NAMESPACE || this.#quotas.has(namespace)
  }

  quotasOf(namespace: string): Quotas {
    return this.#quotas.get(namespace) ?? NO_QUOTAS
  }

  close(): void {
    this.#unfollow()
  }
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedQuotas(given: unknown): Quotas {
  const names = Object.keys(Object(given))
  const unknown = names.find((name) => !Object.hasOwn(QUOTAS, name))
  if (unknown !== undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `there is no quota '${unknown}'; there are ${Object.keys(QUOTAS).join(', ')}`,
    )
  try {
    return shaped(shape, { quotas: given }, 'quotas').quotas
  } catch (error) {
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `quotas are ${JSON.stringify(given)}: ${Object.entries(QUOTAS)
        .map(([name, what]) => `${name} is ${what}`)
        .join(', ')}`,
      { cause: error },
    )
  }
}

/** Of another version of the engine: what is not understood has no bound. */
function quotasIn(body: Json): Quotas {
  try {
    return shaped(shape, body, 'a namespace').quotas
  } catch (error) {
    if (error instanceof PerdureError) return NO_QUOTAS
    throw error
  }
}
