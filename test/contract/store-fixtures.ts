/** The stores under test, each on data of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { PostgresVersion } from '../postgres/binaries.ts'
import { PostgresServer } from '../postgres/server.ts'
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

/**
 * One server, and a database of its own for each fixture, cloned from one that has the schema. Without syncing to the disk,
 * which no test of the contract can see.
 */
export class PostgresFixtures implements AsyncDisposable {
  readonly server: PostgresServer
  readonly #template: string

  private constructor(server: PostgresServer, template: string) {
    this.server = server
    this.#template = template
  }

  static async start(version?: PostgresVersion): Promise<PostgresFixtures> {
    const server = await PostgresServer.start({
      settings: { fsync: 'off' },
      ...(version === undefined ? {} : { version }),
    })
    const { name, url } = await server.createDatabase()
    const store = await createPostgresStore(url)
    await store.close()
    return new PostgresFixtures(server, name)
  }

  async create(): Promise<StoreFixture> {
    const { name, url } = await this.server.createDatabase(this.#template)
    return { open: () => createPostgresStore(url), remove: () => this.server.dropDatabase(name) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]()
  }
}
