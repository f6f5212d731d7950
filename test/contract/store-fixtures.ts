/** The stores under test, each on data of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { StoreFixture } from './store-test.ts'

export function memoryFixture(): StoreFixture {
  const state = new MemoryState()
  return { open: () => createMemoryStore(state), remove: () => undefined }
}

/** Without syncing to the disk, which no test of the contract can see. */
export function sqliteFixture(): StoreFixture {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-store-'))
  return {
    open: () => createSqliteStore(join(directory, 'store.db'), { synchronous: 'normal' }),
    remove: () => rmSync(directory, { recursive: true }),
  }
}
