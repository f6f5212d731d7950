/** The personal part of a row: apart from the chain, which holds a commitment of it. */
import { randomBytes } from 'node:crypto'
import type { AuditPersonal } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { Json } from '../../protocol/json.ts'
import { commitmentOf } from './audit-hash.ts'

const SALT_BYTES = 16
/** Decoding digits stops silently at what is none, so a salt with more behind it would have the same hash. */
const SALT = new RegExp(`^[0-9a-f]{${2 * SALT_BYTES}}$`)
/** Drawn at once: each look at the source of randomness costs more than a salt. */
const POOLED_SALTS = 256
let pool = ''
let drawn = 0

function newSalt(): string {
  const digits = 2 * SALT_BYTES
  if (drawn >= pool.length) {
    pool = randomBytes(SALT_BYTES * POOLED_SALTS).toString('hex')
    drawn = 0
  }
  const salt = pool.slice(drawn, drawn + digits)
  drawn += digits
  return salt
}

export interface SealedPersonal {
  /** As it is stored. */
  readonly text: string
  readonly commitment: string
}

export function sealedPersonal(personal: AuditPersonal, salt = newSalt()): SealedPersonal {
  const plain = { ...personal }
  return {
    text: canonicalJson({ personal: plain, salt }),
    commitment: commitmentOf(salt, canonicalJson(plain)),
  }
}

/** Undefined: it is not one that `sealedPersonal` has written. */
export function openedPersonal(
  text: string,
): { readonly personal: AuditPersonal; readonly commitment: string } | undefined {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('salt' in value) || !('personal' in value))
    return undefined
  const { salt, personal } = value
  if (typeof salt !== 'string' || !SALT.test(salt) || personal === undefined) return undefined
  if (canonicalJson({ personal, salt }) !== text) return undefined
  const commitment = commitmentOf(salt, canonicalJson(personal))
  return { personal: personal as unknown as AuditPersonal, commitment }
}
