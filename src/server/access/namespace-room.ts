/**
 * How many API keys and role bindings a namespace may have, so that one tenant does not use up what is there for all.
 *
 * At one node those of a namespace are made one after the other, and do not go past a bound together. Nodes do not ask each other: those that make something in the same moment may go past it by as much as they make then.
 */

import { PerdureError } from '../../protocol/errors.ts'

export interface AdministrationBounds {
  /** API keys of a namespace, those that were revoked or have expired included. Default 10,000. */
  readonly keys: number
  /** Of the records of these keys, as JSON in UTF-8. Default 8 MiB. */
  readonly keyBytes: number
  /** Role bindings in a namespace. Default 10,000. */
  readonly bindings: number
}

export const ADMINISTRATION_BOUNDS: AdministrationBounds = {
  keys: 10_000,
  keyBytes: 8 * 1024 * 1024,
  bindings: 10_000,
}

/** What is done for one key is done one after the other. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(key: string, call: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last.set(key, promise)
    await before
    try {
      return await call()
    } finally {
      if (this.#last.get(key) === promise) this.#last.delete(key)
      resolve()
    }
  }
}

export function tooManyKeys(namespace: string, { keys, keyBytes }: AdministrationBounds): PerdureError {
  return new PerdureError(
    'QUOTA_EXCEEDED',
    `${where(namespace)} has as many API keys as it may have (${keys}, of ${keyBytes} bytes in all): revoke and delete those that are not needed`,
  )
}

export function tooManyBindings(namespace: string, { bindings }: AdministrationBounds): PerdureError {
  return new PerdureError(
    'QUOTA_EXCEEDED',
    `${where(namespace)} has as many role bindings as it may have (${bindings}): take away roles that are not needed, or give them to a group`,
  )
}

function where(namespace: string): string {
  return namespace === '' ? 'what belongs to no namespace' : `namespace ${namespace}`
}
