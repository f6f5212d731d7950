/** Stores by name. */
import type { Logger } from '../platform/logger.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Store } from '../store/contract/store.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { createPostgresStore, type PostgresStore } from '../store/postgres/postgres-store.ts'
import { isPostgresUrl } from '../store/postgres/postgres-url.ts'
import { createSqliteStore } from '../store/sqlite/sqlite-store.ts'

/** For a node of a cluster: a database that nodes share. */
export async function openClusterStore(store: string | Store, logger: Logger): Promise<PostgresStore> {
  if (typeof store === 'string' && isPostgresUrl(store)) return createPostgresStore(store, { logger })
  if (typeof store === 'object' && store !== null && 'cluster' in store) return store as PostgresStore
  throw new PerdureError(
    'STORE_INVALID',
    'createEngine({ cluster }): the nodes of a cluster share a PostgreSQL database; store has to be its URL',
  )
}

/** `logger` is told what a store has to say while it waits for its database. */
export async function openStore(store: string | Store, logger?: Logger): Promise<Store> {
  if (typeof store === 'object' && typeof store?.commit === 'function') return store
  if (typeof store !== 'string')
    throw new PerdureError('STORE_INVALID', 'createEngine({ store }) is no store')
  if (store === 'memory') return createMemoryStore()
  if (store.startsWith('sqlite:') && store.length > 'sqlite:'.length)
    return createSqliteStore(store.slice('sqlite:'.length))
  if (isPostgresUrl(store))
    return createPostgresStore(store, { exclusive: true, ...(logger === undefined ? {} : { logger }) })
  throw new PerdureError('STORE_INVALID', `'${store}' names no store`)
}
