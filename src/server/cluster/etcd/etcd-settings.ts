/** Where etcd is, and who we are there: `etcd://HOST:PORT,HOST:PORT/PREFIX`. */
import { PerdureError } from '../../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../../sdk/checked-arguments.ts'

export interface CoordinatorSettings {
  /**
   * `'etcd://HOST:PORT,HOST:PORT,…/PREFIX'`, or `etcds://…` over TLS: the members of etcd. Default port 2379; default prefix of the
   * keys `perdure`. Neither user nor password belong into it.
   */
  readonly url: string
  /** Default: etcd is asked without one. */
  readonly user?: string
  readonly password?: string
  /** PEM texts, for `etcds://`. */
  readonly tls?: {
    /** Authorities that sign the certificates of the members. Default: those of the system. */
    readonly ca?: string
    /** Of this node, if etcd asks for one. */
    readonly cert?: string
    readonly key?: string
  }
}

export interface EtcdSettings {
  /** URLs without a path. */
  readonly endpoints: readonly string[]
  /** Of all keys; ends with a slash. */
  readonly prefix: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** Undefined: without TLS. */
  readonly tls: CoordinatorSettings['tls']
}

const OPTIONS: OptionNames<CoordinatorSettings> = { url: true, user: true, password: true, tls: true }
const TLS_OPTIONS: OptionNames<NonNullable<CoordinatorSettings['tls']>> = { ca: true, cert: true, key: true }
const URL_PARTS = /^(etcds?):\/\/([^/?#]+)(?:\/([^?#]*))?$/
const HOST_PARTS = /^(\[[0-9a-f:.]+\]|[^:@[\]\s]+)(?::(\d{1,5}))?$/i
const DEFAULT_PORT = 2379
const DEFAULT_PREFIX = 'perdure'
const MEMBERS_MOST = 16

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedCoordinator(given: string | CoordinatorSettings): EtcdSettings {
  const what = 'coordinator'
  const options = typeof given === 'string' ? { url: given } : given
  const { url, user, password, tls } = checkedOptions(options, what, OPTIONS)
  if (typeof url !== 'string') throw invalid('has no url')
  if (url.includes('@'))
    throw invalid('has a user in its URL: name user and password beside it', 'PERDURE_COORDINATOR_USER')
  const [, scheme, hosts = '', path = ''] = URL_PARTS.exec(url) ?? []
  if (scheme === undefined) throw invalid(`'${url}' is no URL like etcd://10.0.0.1:2379,10.0.0.2:2379`)
  const isSecure = scheme === 'etcds'
  if (tls !== undefined && !isSecure) throw invalid('has tls, which needs a URL that begins with etcds://')
  if ((user === undefined) !== (password === undefined))
    throw invalid('needs user and password, or none of them', 'PERDURE_COORDINATOR_PASSWORD')
  const { ca, cert, key } = tls === undefined ? {} : checkedOptions(tls, `${what}.tls`, TLS_OPTIONS)
  if ((cert === undefined) !== (key === undefined)) throw invalid('needs cert and key, or none of them')
  const endpoints = hosts.split(',').map((host) => endpointOf(host, isSecure ? 'https' : 'http'))
  if (endpoints.length > MEMBERS_MOST)
    throw invalid(`names ${endpoints.length} members; ${MEMBERS_MOST} are possible`)
  return {
    endpoints,
    prefix: `${path.replace(/\/+$/, '') || DEFAULT_PREFIX}/`,
    user,
    password,
    tls: isSecure ? pemsOf({ ca, cert, key }) : undefined,
  }
}

function endpointOf(text: string, scheme: string): string {
  const [, host, port = DEFAULT_PORT] = HOST_PARTS.exec(text.trim()) ?? []
  if (host === undefined || Number(port) > 65_535 || !URL.canParse(`${scheme}://${host}:${port}`))
    throw invalid(`names a member '${text}', which is not HOST:PORT`)
  return `${scheme}://${host}:${port}`
}

function pemsOf(given: { readonly [name: string]: unknown }): NonNullable<CoordinatorSettings['tls']> {
  const pems: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (typeof value !== 'string' || !value.includes('-----BEGIN'))
      throw invalid(`has a tls.${name} that is no PEM text (the text itself, not the name of a file)`)
    pems[name] = value
  }
  return pems
}

function invalid(reason: string, variable?: string): PerdureError {
  const where = variable === undefined ? '' : ` (${variable} for perdure start)`
  return new PerdureError('ARGUMENT_INVALID', `the coordinator ${reason}${where}`)
}
