/** Stores by name. */
import { PerdureError } from '../protocol/errors.ts'
import type { Store } from '../store/contract/store.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { createSqliteStore } from '../store/sqlite/sqlite-store.ts'

export async function openStore(store: string | Store): Promise<Store> {
  if (typeof store === 'object' && typeof store?.commit === 'function') return store
  if (typeof store !== 'string')
    throw new PerdureError('STORE_INVALID', 'createEngine({ store }) is no store')
  if (store === 'memory') return createMemoryStore()
  if (store.startsWith('sqlite:') && store.length > 'sqlite:'.length)
    return createSqliteStore(store.slice('sqlite:'.length))
  throw new PerdureError('STORE_INVALID', `'${store}' names no store`)
}
