/** Settings of an issuer of tokens (OpenID Connect), checked. */
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'

export interface TokenIssuerSettings {
  /** As tokens have it in `iss`, such as `https://login.example/realms/shop`. */
  readonly issuer: string
  /** As tokens have it in `aud`; of several, one is enough. */
  readonly audience: string | readonly string[]
  /** Where its keys are. Default: what the issuer says at `/.well-known/openid-configuration`. */
  readonly jwksUri?: string
  /** Signatures that are taken. Default `['RS256', 'PS256', 'ES256', 'EdDSA']`. */
  readonly algorithms?: readonly string[]
  /** How far clocks may differ. Default `'30s'`, at most `'5m'`. */
  readonly leeway?: Duration
  /** Which claims say what; names, or paths such as `realm_access.roles`. */
  readonly claims?: TokenClaims
  /** Keys are fetched also from private addresses, and over `http:`. Default false. */
  readonly allowPrivate?: boolean
  /** Authority of the issuer's own certificate, PEM. Default: those that Node knows. */
  readonly ca?: string
}

export interface TokenClaims {
  /** Who it is, also for human tasks. Default `'sub'`. */
  readonly subject?: string
  /** For people. Default `'name'`. */
  readonly name?: string
  /** Default `'groups'`. */
  readonly groups?: string
  /** `viewer`, `operator@billing`, `admin@*`. Default: none is read. */
  readonly roles?: string
  /** The namespace of calls that name none. Default: none is read. */
  readonly namespace?: string
}

export interface TokenIssuer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly jwksUri: string | undefined
  readonly algorithms: readonly string[]
  readonly leewayMs: number
  readonly claims: TokenClaims & Required<Pick<TokenClaims, 'subject' | 'name' | 'groups'>>
  readonly allowPrivate: boolean
  readonly ca: string | undefined
}

/** Signatures by a private key: with a shared secret, whoever can check tokens can make them. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
const DEFAULT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const
const LEEWAY_MOST_MS = 300_000
const NAMES: Readonly<Record<keyof TokenIssuerSettings, true>> = {
  issuer: true,
  audience: true,
  jwksUri: true,
  algorithms: true,
  leeway: true,
  claims: true,
  allowPrivate: true,
  ca: true,
}
const CLAIMS: Readonly<Record<keyof TokenClaims, true>> = {
  subject: true,
  name: true,
  groups: true,
  roles: true,
  namespace: true,
}

/** @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID` */
export function checkedTokenIssuer(settings: TokenIssuerSettings): TokenIssuer {
  checkNames(settings, NAMES, 'an issuer of tokens')
  const { issuer, jwksUri, algorithms = DEFAULT_ALGORITHMS, leeway = '30s', claims = {}, ca } = settings
  const allowPrivate = settings.allowPrivate === true
  checkUrl(issuer, 'issuer', allowPrivate)
  // OpenID Connect Discovery 1.0, 3; and `#` ends the issuer in the names of callers.
  if (issuer.includes('#'))
    throw invalid(`issuer is ${JSON.stringify(issuer)}: an issuer has no fragment (#)`)
  if (jwksUri !== undefined) checkUrl(jwksUri, 'jwksUri', allowPrivate)
  const audience = [settings.audience].flat()
  if (audience.length === 0 || audience.some((each) => typeof each !== 'string' || each === ''))
    throw invalid(
      `audience of issuer ${issuer} is ${JSON.stringify(settings.audience)}: name whom its tokens are for`,
    )
  if (!Array.isArray(algorithms) || algorithms.length === 0) throw invalid('algorithms is not a list')
  for (const algorithm of algorithms)
    if (!ALGORITHMS.some((each) => each === algorithm))
      throw invalid(
        `there is no algorithm ${JSON.stringify(algorithm)} here; there are ${ALGORITHMS.join(', ')}`,
      )
  const leewayMs = durationMs(leeway, 'leeway')
  if (leewayMs > LEEWAY_MOST_MS) throw invalid(`leeway is ${leewayMs} ms, more than 5 minutes`)
  checkNames(claims, CLAIMS, 'claims')
  for (const [name, value] of Object.entries(claims)) checkedName(value, `claims.${name}`)
  return {
    issuer,
    audience,
    jwksUri,
    algorithms,
    leewayMs,
    claims: { subject: 'sub', name: 'name', groups: 'groups', ...claims },
    allowPrivate,
    ca,
  }
}

function checkNames(given: unknown, names: Readonly<Record<string, true>>, what: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid(`${what} is not an object`)
  for (const name of Object.keys(given))
    if (!Object.hasOwn(names, name))
      throw invalid(`${what} has a setting '${name}'; there are ${Object.keys(names).join(', ')}`)
}

function checkUrl(url: unknown, name: string, allowPrivate: boolean): void {
  const protocol = typeof url === 'string' && URL.canParse(url) ? new URL(url).protocol : ''
  if (protocol === 'https:' || (protocol === 'http:' && allowPrivate)) return
  throw invalid(
    `${name} is ${JSON.stringify(url)}, not a URL like https://login.example (http: only with allowPrivate)`,
  )
}

function invalid(why: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `access.tokens: ${why}`)
}
