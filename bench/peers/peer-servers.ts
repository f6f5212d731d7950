/** Gives each measurement a store of its own that is empty: a file, a database on the one PostgreSQL server, or a server. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PostgresServer } from '../../test/postgres/server.ts'
import { POSTGRES_SETTINGS } from '../lanes.ts'
import { inDirectory } from '../workloads/workload.ts'
import type { SideName, SideOrder } from './peer-sides.ts'
import { startRedis } from './redis-server.ts'
import { startRestate } from './restate-server.ts'

export interface PostgresAbout {
  readonly version: string
  readonly fsync: string
  readonly synchronousCommit: string
}

export class PeerServers implements AsyncDisposable {
  #postgres: Promise<PostgresServer> | undefined

  /** Restate and Redis are started for one measurement, so that they do not work beside another one. */
  async use<T>(side: SideName, measure: (order: SideOrder) => Promise<T>): Promise<T> {
    switch (side) {
      case 'perdure-sqlite':
        return inDirectory(tmpdir(), (directory) => measure({ url: `sqlite:${join(directory, 'bench.db')}` }))
      case 'restate': {
        const { server, ...order } = await startRestate()
        await using _ = server
        return await measure(order)
      }
      case 'bullmq': {
        const { server, ...order } = await startRedis()
        await using _ = server
        return await measure(order)
      }
      default:
        return this.#inDatabase(measure)
    }
  }

  async postgresAbout(): Promise<PostgresAbout> {
    const [row] = await (await this.#server()).query(
      "select current_setting('server_version') as version, current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync",
    )
    return {
      version: String(row?.version),
      fsync: String(row?.fsync),
      synchronousCommit: String(row?.sync),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#postgres?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }

  /** Dropping the database makes a checkpoint: what one side has written is on disk before the next one begins. */
  async #inDatabase<T>(measure: (order: SideOrder) => Promise<T>): Promise<T> {
    const server = await this.#server()
    const { name, url } = await server.createDatabase()
    try {
      return await measure({ url })
    } finally {
      await server.dropDatabase(name)
    }
  }

  #server(): Promise<PostgresServer> {
    this.#postgres ??= PostgresServer.start({ settings: POSTGRES_SETTINGS })
    return this.#postgres
  }
}
