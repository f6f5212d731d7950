/**
 * The public keys of an issuer, as it publishes them (JWKS).
 *
 * 1. They are fetched when they are needed first, and again when they are older than 10 minutes, while the old ones are used.
 * 2. A token that names a key which is not there may be signed by a new one: they are fetched for it, but not more often than
 *    once in 30 seconds, however many such tokens come.
 * 3. When the issuer is away, the keys from before go on for a day.
 */
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import type { Logger } from '../../platform/logger.ts'
import { callOut, type OutgoingAnswer } from '../../platform/outgoing-http.ts'
import type { TokenIssuer } from './token-issuer.ts'

const FRESH_MS = 600_000
const USABLE_MS = 86_400_000
const COOLDOWN_MS = 30_000
const ANSWER_BYTES = 256 * 1024
const TIMEOUT_MS = 5000
const KEYS_MOST = 200

/** The keys are not there now: nothing is said about the token. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

export interface IssuerKeysParts {
  readonly issuer: TokenIssuer
  readonly logger: Logger
  readonly nowMs: () => number
  readonly call?: typeof callOut
}

type Jose = typeof import('jose')

export class IssuerKeys {
  readonly #parts: IssuerKeysParts
  #keys: JWTVerifyGetKey | undefined
  #fetchedMs = Number.NEGATIVE_INFINITY
  #triedMs = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined

  constructor(parts: IssuerKeysParts) {
    this.#parts = parts
  }

  /** For `jwtVerify`. @throws KeysUnavailableError; what jose throws when no key fits */
  readonly keyOf: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current()
    try {
      return await keys(header, token)
    } catch (error) {
      if (!isNoKey(error) || !this.#mayTry) throw error
      await this.#fetch()
      const newer = this.#keys
      if (newer === undefined || newer === keys) throw error
      return await newer(header, token)
    }
  }

  get #mayTry(): boolean {
    return this.#fetching !== undefined || this.#parts.nowMs() - this.#triedMs >= COOLDOWN_MS
  }

  async #current(): Promise<JWTVerifyGetKey> {
    const ageMs = this.#parts.nowMs() - this.#fetchedMs
    if (this.#keys !== undefined && ageMs < USABLE_MS) {
      if (ageMs >= FRESH_MS && this.#mayTry) void this.#fetch()
      return this.#keys
    }
    this.#keys = undefined
    if (this.#mayTry) await this.#fetch()
    if (this.#keys === undefined)
      throw new KeysUnavailableError(`the keys of issuer ${this.#parts.issuer.issuer} cannot be fetched now`)
    return this.#keys
  }

  /** Never rejects: what went wrong is in the log. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchOnce()
      .catch((error: unknown) => {
        const { issuer } = this.#parts.issuer
        this.#parts.logger.warn('the keys of an issuer of tokens cannot be fetched', { issuer, error })
      })
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #fetchOnce(): Promise<void> {
    this.#triedMs = this.#parts.nowMs()
    const jose: Jose = await import('jose')
    const found = (await this.#json(
      this.#parts.issuer.jwksUri ?? (await this.#discovered()),
    )) as JSONWebKeySet
    if (!Array.isArray(found?.keys) || found.keys.length > KEYS_MOST)
      throw new Error(`what the issuer gives is not a set of at most ${KEYS_MOST} keys`)
    // Symmetric keys have no business there, and could make a signature of anybody's look right.
    this.#keys = jose.createLocalJWKSet({ keys: found.keys.filter(({ kty }) => kty !== 'oct') })
    this.#fetchedMs = this.#parts.nowMs()
  }

  async #discovered(): Promise<string> {
    const { issuer } = this.#parts.issuer
    const found = await this.#json(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const { issuer: named, jwks_uri: uri } = found as {
      readonly issuer?: unknown
      readonly jwks_uri?: unknown
    }
    if (named !== issuer)
      throw new Error(`the issuer calls itself ${JSON.stringify(named)}: write it so in access.tokens`)
    if (typeof uri !== 'string') throw new Error('the issuer does not say where its keys are: jwks_uri')
    if (!this.#parts.issuer.allowPrivate && !uri.startsWith('https:'))
      throw new Error(`the issuer says that its keys are at ${uri}: not over https`)
    return uri
  }

  async #json(url: string): Promise<unknown> {
    const { issuer, call = callOut } = this.#parts
    const answer: OutgoingAnswer = await call({
      url,
      headers: { accept: 'application/json' },
      allowPrivate: issuer.allowPrivate,
      timeoutMs: TIMEOUT_MS,
      answerBytes: ANSWER_BYTES,
      ...(issuer.ca === undefined ? {} : { ca: issuer.ca }),
    })
    if (answer.status !== 200) throw new Error(`${url} answers with status ${answer.status}`)
    return JSON.parse(answer.body.toString('utf8'))
  }
}

function isNoKey(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === 'ERR_JWKS_NO_MATCHING_KEY'
}
