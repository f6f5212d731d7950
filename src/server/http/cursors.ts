/**
 * Cursors of lists, as callers get them: opaque texts that belong to one list with one filter.
 *
 * A cursor that is not one that this list has given, with this filter, is refused: it would page through something else.
 */
import { createHash } from 'node:crypto'
import { RequestError } from './problem.ts'

const PARTS = 2
const HASH_CHARACTERS = 12

/** @param filter what is asked for beside cursor and limit, and in which namespace */
export class Cursors {
  readonly #tag: string

  constructor(list: string, filter: object) {
    const text = JSON.stringify([list, Object.entries(filter).sort(([a], [b]) => (a < b ? -1 : 1))])
    this.#tag = createHash('sha256').update(text).digest('base64url').slice(0, HASH_CHARACTERS)
  }

  /** As a field of the answer, if there is more. */
  field(cursor: string | undefined): { readonly cursor?: string } {
    if (cursor === undefined) return {}
    return { cursor: Buffer.from(JSON.stringify([this.#tag, cursor])).toString('base64url') }
  }

  /** @throws RequestError `ARGUMENT_INVALID` */
  taken(text: string | undefined): { readonly cursor?: string } {
    if (text === undefined) return {}
    const parts = partsOf(text)
    const [tag, cursor] = parts ?? []
    if (tag !== this.#tag || cursor === undefined) {
      const detail = 'must be one that this list has answered with, asked for with the same filter'
      throw new RequestError('ARGUMENT_INVALID', `the cursor ${detail}`, {
        faults: [{ in: 'query', pointer: '/cursor', detail }],
      })
    }
    return { cursor }
  }
}

function partsOf(text: string): readonly string[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return Array.isArray(parts) && parts.length === PARTS && parts.every((each) => typeof each === 'string')
      ? parts
      : undefined
  } catch {
    return undefined
  }
}
