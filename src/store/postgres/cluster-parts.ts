/** What a batch writes of the cluster: messages of other nodes that it has applied, and shards that its session gives up. */
import { type Part, partOf } from './batch-part.ts'
import { int4Array, int8Array } from './binary-array.ts'

const inbox = partOf({
  columns: 'to_shard int4, from_shard int4, last_seq int8',
  rows: (batch) => batch.inbox ?? [],
  arrays: (rows) => [
    int4Array(rows.map(({ toShard }) => toShard)),
    int4Array(rows.map(({ fromShard }) => fromShard)),
    int8Array(rows.map(({ lastSeq }) => lastSeq)),
  ],
  sql: (source) => `
    insert into perdure.inbox (to_shard, from_shard, last_seq) select given.* from ${source}
    on conflict (to_shard, from_shard) do update set last_seq = excluded.last_seq`,
})

/** A receiver that is fenced by now has nothing of it: the shard is taken by whoever leads. */
const released = partOf({
  columns: 'id int4, epoch int8, receiver int8',
  rows: (batch) => batch.released ?? [],
  arrays: (rows) => [
    int4Array(rows.map(({ shard }) => shard)),
    int8Array(rows.map(({ epoch }) => epoch)),
    int8Array(rows.map(({ to }) => to)),
  ],
  sql: (source) => `
    update perdure.shard as t set epoch = t.epoch + 1, session_id = (
      select receiver.id from perdure.session as receiver where receiver.id = given.receiver and fenced_at is null)
    from ${source} where t.id = given.id and t.epoch = given.epoch and t.session_id = guard.id`,
})

export const CLUSTER_PARTS: readonly Part[] = [inbox, released]
