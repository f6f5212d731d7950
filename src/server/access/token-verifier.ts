/**
 * Tokens (JWT) of issuers that the configuration names.
 *
 * 1. Which issuer a token says that it is of only chooses the settings: signature, issuer, audience and times are checked
 *    against those, with the algorithms that they name. What the token says of its keys beside `kid` is never followed.
 * 2. A token that was good is not looked at again for 60 seconds, and never after it has expired.
 */
import { createHash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { Logger } from '../../platform/logger.ts'
import type { callOut } from '../../platform/outgoing-http.ts'
import type { Caller } from '../../protocol/caller.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { IssuerKeys, KeysUnavailableError } from './issuer-keys.ts'
import type { TokenIssuer } from './token-issuer.ts'

export const TOKEN_BYTES_MAX = 8 * 1024
const GROUPS_MOST = 1000
const CACHED_MS = 60_000
const CACHED_MOST = 10_000
const REASON_CHARACTERS = 200

/** Who a token is of, without the address. */
export interface VerifiedToken {
  readonly caller: Omit<Caller, 'address'>
  /** With the leeway. */
  readonly expiresMs: number
}

/** It is not good, and why. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError'
}

export interface TokenVerifierParts {
  readonly issuers: readonly TokenIssuer[]
  readonly logger: Logger
  /** ms since 1970. */
  readonly nowMs: () => number
  readonly call?: typeof callOut
}

interface Trusted {
  readonly settings: TokenIssuer
  readonly keys: IssuerKeys
}

export class TokenVerifier {
  readonly #parts: TokenVerifierParts
  readonly #issuers: ReadonlyMap<string, Trusted>
  /** By the hash of the token; the one that was verified last is the last. */
  readonly #verified = new Map<string, VerifiedToken & { readonly untilMs: number }>()

  constructor(parts: TokenVerifierParts) {
    this.#parts = parts
    this.#issuers = new Map(
      parts.issuers.map((settings) => [
        settings.issuer,
        { settings, keys: new IssuerKeys({ ...parts, issuer: settings }) },
      ]),
    )
  }

  get cached(): number {
    return this.#verified.size
  }

  /** What it was found to be a short while ago. */
  known(token: string): VerifiedToken | undefined {
    if (token.length > TOKEN_BYTES_MAX) return undefined
    const found = this.#verified.get(hashOf(token))
    const nowMs = this.#parts.nowMs()
    return found === undefined || nowMs >= found.untilMs || nowMs >= found.expiresMs ? undefined : found
  }

  /** @throws TokenRefusedError, KeysUnavailableError */
  async verify(token: string): Promise<VerifiedToken> {
    if (Buffer.byteLength(token) > TOKEN_BYTES_MAX)
      throw new TokenRefusedError(`the token is larger than ${TOKEN_BYTES_MAX} bytes`)
    const known = this.known(token)
    if (known !== undefined) return known
    const verified = await this.#verify(token)
    this.#remember(hashOf(token), verified)
    return verified
  }

  async #verify(token: string): Promise<VerifiedToken> {
    const { jwtVerify, decodeJwt } = await import('jose')
    const trusted = this.#issuers.get(issuerOf(token, decodeJwt))
    if (trusted === undefined) throw new TokenRefusedError('the token is of no issuer that is trusted here')
    const { issuer, audience, algorithms, leewayMs, claims } = trusted.settings
    let payload: JWTPayload
    try {
      const verified = await jwtVerify(token, trusted.keys.keyOf, {
        issuer,
        audience: [...audience],
        algorithms: [...algorithms],
        clockTolerance: leewayMs / 1000,
        currentDate: new Date(this.#parts.nowMs()),
        requiredClaims: ['iss', 'aud', 'exp'],
      })
      payload = verified.payload
    } catch (error) {
      if (error instanceof KeysUnavailableError) throw error
      throw new TokenRefusedError(`the token is refused: ${reasonOf(error)}`, { cause: error })
    }
    const { exp = 0 } = payload
    return { caller: callerOf(payload, issuer, claims), expiresMs: exp * 1000 + leewayMs }
  }

  #remember(hash: string, verified: VerifiedToken): void {
    this.#verified.delete(hash)
    if (this.#verified.size >= CACHED_MOST) {
      const [oldest = ''] = this.#verified.keys()
      this.#verified.delete(oldest)
    }
    this.#verified.set(hash, { ...verified, untilMs: this.#parts.nowMs() + CACHED_MS })
  }
}

function issuerOf(token: string, decode: (token: string) => JWTPayload): string {
  let issuer: unknown
  try {
    issuer = decode(token).iss
  } catch (error) {
    throw new TokenRefusedError('the credential is neither an API key nor a token (JWT)', { cause: error })
  }
  return typeof issuer === 'string' ? issuer : ''
}

function callerOf(
  payload: JWTPayload,
  issuer: string,
  claims: TokenIssuer['claims'],
): Omit<Caller, 'address'> {
  const subject = textOf(payload, claims.subject)
  if (subject === undefined)
    throw new TokenRefusedError(`the token has no claim ${claims.subject} that is a name`)
  const name = textOf(payload, claims.name)
  const namespace = claims.namespace === undefined ? undefined : textOf(payload, claims.namespace)
  return {
    id: `token:${issuer}#${subject}`,
    kind: 'token',
    user: subject,
    groups: textsOf(payload, claims.groups),
    roles: claims.roles === undefined ? [] : textsOf(payload, claims.roles),
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
  }
}

/** A claim of this name; else what is at the path, by points. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  let value: unknown = payload
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = Reflect.get(value, part)
  }
  return value
}

function textOf(payload: JWTPayload, name: string): string | undefined {
  const value = claimOf(payload, name)
  return isName(value) ? value : undefined
}

/** A list of names, or one. */
function textsOf(payload: JWTPayload, name: string): readonly string[] {
  const values = [claimOf(payload, name) ?? []].flat()
  if (values.length > GROUPS_MOST)
    throw new TokenRefusedError(`the claim ${name} of the token has more than ${GROUPS_MOST} names`)
  return values.filter(isName)
}

function isName(value: unknown): value is string {
  try {
    checkedName(value, 'a claim')
    return true
  } catch (error) {
    if (error instanceof PerdureError) return false
    throw error
  }
}

/** Of jose, which names claims and checks, and never the token. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, REASON_CHARACTERS) : 'it cannot be read'
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}
