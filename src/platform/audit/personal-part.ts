/** The personal part of a row: apart from the chain, which holds a commitment of it. */
import { randomBytes } from 'node:crypto'
import type { AuditPersonal } from '../../protocol/audit.ts'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { Json } from '../../protocol/json.ts'
import { commitmentOf } from './audit-hash.ts'

const SALT_BYTES = 16

export interface SealedPersonal {
  /** As it is stored. */
  readonly text: string
  readonly commitment: string
}

export function sealedPersonal(
  personal: AuditPersonal,
  salt = randomBytes(SALT_BYTES).toString('hex'),
): SealedPersonal {
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
  if (typeof salt !== 'string' || personal === undefined || canonicalJson({ personal, salt }) !== text)
    return undefined
  const commitment = commitmentOf(salt, canonicalJson(personal))
  return { personal: personal as unknown as AuditPersonal, commitment }
}
