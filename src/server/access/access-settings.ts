/** Settings of access, checked. */
import { PerdureError } from '../../protocol/errors.ts'
import type { RateLimit } from './rate-limiter.ts'
import { checkedTokenIssuer, type TokenIssuer, type TokenIssuerSettings } from './token-issuer.ts'

export interface AccessSettings {
  /**
   * A file with an API key that may do everything, to make the first keys with, and for when nothing else works. It is made with
   * mode 0600 if it is not there. Default: none.
   */
  readonly adminKeyFile?: string
  /** A file of Cedar policies, or a directory of `*.cedar`, beside those of the built-in roles. Default: none. */
  readonly policies?: string
  /** Issuers whose tokens (JWT) are taken. Default: none. */
  readonly tokens?: readonly TokenIssuerSettings[]
  /** Namespaces have to be created before they are used; `default` is always there. Default true. */
  readonly strictNamespaces?: boolean
  /**
   * Over TLS: `'required'`: only those with a certificate of the authority get to the door at all, as without `access`;
   * `'optional'`: those with a key or a token too. Default `'optional'`.
   */
  readonly clientCertificates?: 'required' | 'optional'
  /** Calls of each identity, on each node. Default: as many as come. */
  readonly rateLimit?: RateLimit
}

export interface CheckedAccessSettings {
  readonly adminKeyFile: string | undefined
  readonly policies: string | undefined
  readonly tokens: readonly TokenIssuer[]
  readonly strictNamespaces: boolean
  readonly clientCertificates: 'required' | 'optional'
  readonly rateLimit: RateLimit | undefined
}

const NAMES: Readonly<Record<keyof AccessSettings, true>> = {
  adminKeyFile: true,
  policies: true,
  tokens: true,
  strictNamespaces: true,
  clientCertificates: true,
  rateLimit: true,
}

/** @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID` */
export function checkedAccessSettings(settings: AccessSettings): CheckedAccessSettings {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw invalid('access is not an object like { adminKeyFile, policies, tokens }')
  for (const name of Object.keys(settings))
    if (!Object.hasOwn(NAMES, name))
      throw invalid(`access has no setting '${name}'; there are ${Object.keys(NAMES).join(', ')}`)
  const {
    adminKeyFile,
    policies,
    tokens = [],
    strictNamespaces = true,
    clientCertificates = 'optional',
    rateLimit,
  } = settings
  for (const [name, path] of Object.entries({ adminKeyFile, policies }))
    if (path !== undefined && (typeof path !== 'string' || path === ''))
      throw invalid(`access.${name} is ${JSON.stringify(path)}, not a path`)
  if (typeof strictNamespaces !== 'boolean')
    throw invalid(`access.strictNamespaces is ${JSON.stringify(strictNamespaces)}, not true or false`)
  if (clientCertificates !== 'required' && clientCertificates !== 'optional')
    throw invalid(
      `access.clientCertificates is ${JSON.stringify(clientCertificates)}, not 'required' or 'optional'`,
    )
  if (!Array.isArray(tokens)) throw invalid('access.tokens is not a list of issuers')
  const issuers = tokens.map(checkedTokenIssuer)
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length)
    throw invalid('access.tokens has an issuer twice')
  return {
    adminKeyFile,
    policies,
    tokens: issuers,
    strictNamespaces,
    clientCertificates,
    rateLimit: checkedRate(rateLimit),
  }
}

function checkedRate(limit: RateLimit | undefined): RateLimit | undefined {
  if (limit === undefined) return undefined
  const { perSecond, burst } = Object(limit) as RateLimit
  const isGood = Number.isFinite(perSecond) && perSecond > 0 && (burst === undefined || burst >= 1)
  if (!isGood)
    throw invalid(
      `access.rateLimit is ${JSON.stringify(limit)}, not an object like { perSecond: 100, burst: 200 }`,
    )
  return limit
}

function invalid(why: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', why)
}
