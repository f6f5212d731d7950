/**
 * Where the database is: a connection URL as libpq knows it, also with several hosts,
 * `postgres://user@db1:5432,db2:5432/orders?sslmode=verify-full`. The first host that answers and takes writes is used.
 *
 * A password belongs into `PGPASSWORD` or a password file (`PGPASSFILE`, `~/.pgpass`); one in the URL works, and is never
 * shown again.
 */
import { PerdureError } from '../../protocol/errors.ts'

export interface PostgresHost {
  /** A URL of one host. Holds the password, if the given one did: not to be shown. */
  readonly url: string
  /** `host:port`, to be shown. */
  readonly name: string
}

/** Which servers are looked for: those that take writes, standbys, or the first that answers. */
export type ServerKind = 'writes' | 'reads' | 'anything'

export interface PostgresTarget {
  readonly hosts: readonly PostgresHost[]
  /** Without a password, to be shown. */
  readonly name: string
  /** A pooler in transaction mode is between: no settings of a session, no prepared statements. */
  readonly isPooled: boolean
}

const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^@/]*)@)?([^/?]*)(\/[^?]*)?(?:\?(.*))?$/
const HOST_PARTS = /^([\w.%-]*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i
const DEFAULT_PORT = 5432
/** Ours, or said by what a store does anyway; not passed on. */
const OWN_PARAMETERS = ['pooler', 'target_session_attrs']
const SESSION_ATTRIBUTES: Readonly<Record<ServerKind, readonly [string, ...string[]]>> = {
  writes: ['read-write', 'primary', 'any'],
  reads: ['standby', 'read-only', 'prefer-standby', 'any'],
  anything: ['any', 'read-write', 'primary', 'standby', 'read-only', 'prefer-standby'],
}

export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text)
}

/** Whether it has one in it: on a command line everybody on the machine could read it. */
export function hasPassword(url: string): boolean {
  const parts = URL_PARTS.exec(url)
  if (parts === null) return /^postgres(ql)?:.*:[^@/]+@/.test(url)
  const [, user = '', , , query = ''] = parts
  return /:./.test(user) || (new URLSearchParams(query).get('password') ?? '') !== ''
}

/**
 * Errors: `STORE_INVALID`.
 */
export function postgresTarget(url: string, serves: ServerKind = 'writes'): PostgresTarget {
  const parts = URL_PARTS.exec(url)
  if (parts === null) throw invalid('it is no URL of the form postgres://USER@HOST:PORT/DATABASE')
  const [, user = '', hostList = '', path = '', query = ''] = parts
  const parameters = new URLSearchParams(query)
  const pooler = parameters.get('pooler')
  if (pooler !== null && pooler !== 'transaction') throw invalid(`pooler is 'transaction', not '${pooler}'`)
  const known = SESSION_ATTRIBUTES[serves]
  const attributes = parameters.get('target_session_attrs') ?? known[0]
  if (!known.includes(attributes)) throw invalid(`target_session_attrs is '${known[0]}', not '${attributes}'`)
  for (const name of OWN_PARAMETERS) parameters.delete(name)
  const rest = parameters.size === 0 ? '' : `?${parameters}`
  const login = user === '' ? '' : `${user}@`
  const hosts = (hostList === '' ? ['localhost'] : hostList.split(',')).map((host) => {
    return { url: `postgres://${login}${host}${path}${rest}`, name: shownHost(host) }
  })
  const shown = `postgres://${user === '' ? '' : `${user.split(':')[0]}@`}${hostList}${path}`
  return { hosts, name: shown, isPooled: pooler === 'transaction' }
}

function shownHost(host: string): string {
  const parts = HOST_PARTS.exec(host)
  if (parts === null) throw invalid(`'${host}' is no host with a port`)
  const [, name = '', port = String(DEFAULT_PORT)] = parts
  return `${name === '' ? 'localhost' : name}:${port}`
}

function invalid(why: string): PerdureError {
  return new PerdureError('STORE_INVALID', `the PostgreSQL URL cannot be used: ${why}`)
}
