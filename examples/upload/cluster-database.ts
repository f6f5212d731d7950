/** What the PostgreSQL of the cluster holds, read with plain SQL: no node is asked. */
import pg from 'pg'
import { type RecordedUploads, uploadsOf } from './upload-journal.ts'

/** By name of the node. */
export type ShardsByNode = ReadonlyMap<string, ReadonlySet<number>>

/** When something was recorded of an execution, in order. */
export interface Recordings {
  readonly shard: number
  readonly atMs: readonly number[]
}

export class ClusterDatabase implements AsyncDisposable {
  readonly #pool: pg.Pool

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 2 })
    // The server may end first.
    this.#pool.on('error', () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end()
  }

  async uploads(): Promise<RecordedUploads> {
    return uploadsOf(
      await this.#rows(`
        select namespace, workflow_id, run_id, status, events from perdure.execution join perdure.journal using (day, run_id)
        order by day, run_id, seq`),
    )
  }

  /** Also of nodes that have died, until others have their shards. */
  async shards(): Promise<ShardsByNode> {
    const rows = await this.#rows(`
      select node, shard.id from perdure.shard join perdure.session on session.id = session_id`)
    const byNode = Map.groupBy(rows, ({ node }) => String(node))
    return new Map([...byNode].map(([node, shards]) => [node, new Set(shards.map(({ id }) => Number(id)))]))
  }

  /** By execution id. */
  async shardOfEach(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#rows('select workflow_id, shard from perdure.execution')
    return new Map(rows.map(({ workflow_id, shard }) => [String(workflow_id), Number(shard)]))
  }

  /** By execution id. */
  async recordings(): Promise<ReadonlyMap<string, Recordings>> {
    const rows = await this.#rows(`
      select workflow_id, shard, string_agg(events, ' ' order by seq) as events
      from (
        select workflow_id, shard, seq, (select string_agg(event ->> 'at', ' ') from json_array_elements(events::json) as event) as events
        from perdure.execution join perdure.journal using (day, run_id)
      ) as journal
      group by 1, 2`)
    return new Map(
      rows.map(({ workflow_id, shard, events }) => [
        String(workflow_id),
        { shard: Number(shard), atMs: String(events).split(' ').map(Number) },
      ]),
    )
  }

  async #rows(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.#pool.query(sql)).rows
  }
}
