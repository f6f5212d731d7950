/** Looks at the signed heads of an audit trail, and keeps what they say of its rows. */
import { headHash, isHash, NO_HEAD } from '../../platform/audit/audit-hash.ts'
import { rootOf, signatureFault, type TrustedKeys } from '../../platform/audit/signed-head.ts'
import type { AuditHeadBody, ChainPlace, SignedHead } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { Json } from '../../protocol/json.ts'
import type { AuditFinding } from './audit-finding.ts'

/** A row that a head names. */
export interface HeadPlace {
  readonly session: number
  readonly seq: number
  readonly hash: string
  readonly head: number
}

export class HeadVerification {
  readonly #keys: TrustedKeys | undefined
  readonly #find: (finding: AuditFinding) => void
  /** By session, in order of their numbers; of heads that were read before the rows. */
  readonly #named = new Map<number, HeadPlace[]>()
  readonly #dropped = new Map<number, HeadPlace>()
  readonly #bodies = new Map<number, string>()
  #number = 0
  /** The last one that was there before the rows were read. */
  #lastInTime = 0
  #hash = NO_HEAD
  #newest: { readonly number: number; readonly atMs: number } | undefined

  constructor(keys: TrustedKeys | undefined, find: (finding: AuditFinding) => void) {
    this.#keys = keys
    this.#find = find
  }

  get count(): number {
    return this.#bodies.size
  }

  get newest(): { readonly number: number; readonly atMs: number } | undefined {
    return this.#newest
  }

  /** @param isLate the rows may have been read before it was there */
  take(head: SignedHead, isLate: boolean): void {
    const { number, atMs, body } = head
    const find = (detail: string): void => this.#find({ head: number, detail })
    const parsed = bodyOf(body)
    if (parsed === undefined) {
      find('its body is not one that the engine has written')
      return
    }
    const fault = this.#keys === undefined ? undefined : signatureFault(head, this.#keys)
    if (fault !== undefined) find(fault)
    if (parsed.number !== number || parsed.atMs !== atMs)
      find('its number or its time is not that of its body')
    if (number !== this.#number + 1) find(`it comes after head ${this.#number}`)
    if (parsed.prev !== this.#hash) find('it does not follow from the head before it')
    if (parsed.root !== rootOf(parsed.leaves)) find('its root is not that of its leaves')
    this.#number = number
    this.#hash = headHash(body)
    this.#bodies.set(number, this.#hash)
    this.#newest = { number, atMs }
    if (!isLate) {
      this.#lastInTime = number
      for (const leaf of parsed.leaves) this.#name(leaf, number)
    }
    for (const place of parsed.dropped) this.#drop(place, number)
  }

  /** The newest place of each chain. */
  *places(): Iterable<HeadPlace> {
    for (const places of this.#named.values()) {
      const last = places.at(-1)
      if (last !== undefined) yield last
    }
  }

  lastOf(session: number): HeadPlace | undefined {
    return this.#named.get(session)?.at(-1)
  }

  placeAt(session: number, seq: number): HeadPlace | undefined {
    const places = this.#named.get(session) ?? []
    let low = 0
    let high = places.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((places[middle]?.seq ?? 0) < seq) low = middle + 1
      else high = middle
    }
    const found = places[low]
    return found?.seq === seq ? found : undefined
  }

  /** Up to where the chain was dropped, as the newest head that says so has it. */
  droppedTo(session: number): HeadPlace | undefined {
    return this.#dropped.get(session)
  }

  /** With a head that was kept elsewhere. */
  compare(exported: SignedHead): void {
    const { number, body } = exported
    const find = (detail: string): void => this.#find({ head: number, detail })
    const fault = this.#keys === undefined ? undefined : signatureFault(exported, this.#keys)
    if (fault !== undefined) find(`of the head that was exported: ${fault}`)
    const known = this.#bodies.get(number)
    if (known === undefined) find(`it was exported, and the trail ends with head ${this.#number}`)
    else if (number > this.#lastInTime) find('it came while the rows were read: read them again')
    else if (known !== headHash(body)) find('it is not the head that was exported')
  }

  #name([session, seq, hash]: ChainPlace, head: number): void {
    const places = this.#named.get(session)
    const last = places?.at(-1)
    const place = { session, seq, hash, head }
    if (places === undefined || last === undefined) this.#named.set(session, [place])
    else if (seq > last.seq) places.push(place)
    else if (seq < last.seq || hash !== last.hash)
      this.#find({ session, seq, head, detail: `head ${last.head} has named row ${last.seq} of this chain` })
  }

  #drop([session, seq, hash]: ChainPlace, head: number): void {
    const before = this.#dropped.get(session)
    if (before !== undefined && before.seq >= seq)
      this.#find({ session, seq, head, detail: `head ${before.head} has dropped row ${before.seq}` })
    const named = this.placeAt(session, seq)
    if (named !== undefined && named.hash !== hash)
      this.#find({ session, seq, head, detail: `what it drops is not what head ${named.head} names` })
    this.#dropped.set(session, { session, seq, hash, head })
  }
}

function bodyOf(text: string): AuditHeadBody | undefined {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const body = value as unknown as AuditHeadBody
  const { number, atMs, prev, root, leaves, dropped } = body
  if (!Number.isSafeInteger(number) || typeof atMs !== 'number') return undefined
  if (typeof prev !== 'string' || typeof root !== 'string') return undefined
  if (!arePlaces(leaves) || !arePlaces(dropped)) return undefined
  return canonicalJson(value) === text ? body : undefined
}

function arePlaces(value: unknown): value is readonly ChainPlace[] {
  return (
    Array.isArray(value) &&
    value.every(
      (each) =>
        Array.isArray(each) &&
        each.length === 3 &&
        Number.isSafeInteger(each[0]) &&
        Number.isSafeInteger(each[1]) &&
        typeof each[2] === 'string' &&
        isHash(each[2]),
    )
  )
}
