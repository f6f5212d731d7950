/** Stores by name. */
import type { Logger } from '../platform/logger.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Store } from '../store/contract/store.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import type { PostgresStore, PostgresStoreOptions } from '../store/postgres/postgres-store.ts'
import { isPostgresUrl } from '../store/postgres/postgres-url.ts'

/** For a node of a cluster: a database that nodes share. */
export async function openClusterStore(
  store: string | Store,
  logger: Logger,
  options: PostgresStoreOptions = {},
): Promise<PostgresStore> {
  if (typeof store === 'string' && isPostgresUrl(store)) return postgresStore(store, { ...options, logger })
  if (typeof store === 'object' && store !== null && 'cluster' in store) return store as PostgresStore
  throw new PerdureError(
    'STORE_INVALID',
    'createEngine({ cluster }): the nodes of a cluster share a PostgreSQL database; store has to be its URL',
  )
}

/** `logger` is told what a store has to say while it waits for its database; `options` are for PostgreSQL. */
export async function openStore(
  store: string | Store,
  logger?: Logger,
  options: PostgresStoreOptions = {},
): Promise<Store> {
  if (typeof store === 'object' && typeof store?.commit === 'function') return store
  if (typeof store !== 'string')
    throw new PerdureError('STORE_INVALID', 'createEngine({ store }) is no store')
  if (store === 'memory') return createMemoryStore()
  if (store.startsWith('sqlite:') && store.length > 'sqlite:'.length)
    return sqliteStore(store.slice('sqlite:'.length))
  if (isPostgresUrl(store))
    return postgresStore(store, {
      ...options,
      exclusive: true,
      ...(logger === undefined ? {} : { logger }),
    })
  throw new PerdureError('STORE_INVALID', `'${store}' names no store`)
}

/** Its driver is loaded only where a database is used. */
async function postgresStore(url: string, options: PostgresStoreOptions): Promise<PostgresStore> {
  const { createPostgresStore } = await import('../store/postgres/postgres-store.ts')
  return createPostgresStore(url, options)
}

/** `node:sqlite` is loaded only here: a program on a Node without it is told so, instead of failing at its first import. */
async function sqliteStore(path: string): Promise<Store> {
  try {
    const { createSqliteStore } = await import('../store/sqlite/sqlite-store.ts')
    return await createSqliteStore(path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_BUILTIN_MODULE'))
      throw error
    const why = `Node ${process.versions.node} has no node:sqlite: perdure needs Node 22.13 or newer`
    throw new PerdureError('STORE_INVALID', why, { cause: error })
  }
}
