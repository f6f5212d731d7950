/** Tokens of claims: opaque to those who hold them; to nodes they say which session has the claim, and which task it is of. */
import { PerdureError } from '../../protocol/errors.ts'

export interface ClaimToken {
  /** Of the node that has given it out. */
  readonly session: number
  readonly secret: string
  readonly taskId: string
  readonly attempt: number
}

export function claimTokenText({ session, secret, taskId, attempt }: ClaimToken): string {
  return Buffer.from(JSON.stringify([session, secret, attempt, taskId])).toString('base64url')
}

/** @throws PerdureError `CLAIM_LOST`: it is no token */
export function claimTokenOf(text: string): ClaimToken {
  const [session, secret, attempt, taskId] = partsOf(text)
  if (
    typeof session === 'number' &&
    typeof secret === 'string' &&
    typeof attempt === 'number' &&
    typeof taskId === 'string'
  )
    return { session, secret, attempt, taskId }
  throw claimLost('the token is none that was given out')
}

export function claimLost(why: string): PerdureError {
  return new PerdureError('CLAIM_LOST', why)
}

function partsOf(text: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return Array.isArray(parts) ? parts : []
  } catch {
    return []
  }
}
