/** What a batch writes of executions, and of messages between them. */
import { keyText } from '../../protocol/ids.ts'
import type { ExecutionRow, OutboxKey } from '../contract/rows.ts'
import { KEY, keyArrays, type Part, partOf, RUN, runArrays } from './batch-part.ts'
import { boolArray, int4Array, int8Array, textArray } from './binary-array.ts'

const journal = partOf({
  columns: `${RUN}, seq int4, epoch int8, count int4, events text`,
  rows: (batch) => batch.journal,
  arrays: (rows, days) => [
    ...runArrays(rows, days),
    int4Array(rows.map(({ seq }) => seq)),
    int8Array(rows.map(({ epoch }) => epoch)),
    int4Array(rows.map(({ count }) => count)),
    textArray(rows.map(({ events }) => events)),
  ],
  sql: (source) =>
    `insert into perdure.journal (day, run_id, seq, epoch, count, events) select given.* from ${source}`,
})

const executionsInserted = partOf({
  columns: `${RUN}, ${KEY}, shard int4, workflow text, version text, status text, active bool,
    started_at int8, closed_at int8, attributes text`,
  rows: (batch) => batch.executionsInserted,
  arrays: (rows, days) => [
    ...runArrays(rows, days),
    ...keyArrays(rows.map(({ key }) => key)),
    int4Array(rows.map(({ shard }) => shard)),
    textArray(rows.map(({ workflow }) => workflow)),
    textArray(rows.map(({ version }) => version)),
    textArray(rows.map(({ status }) => status)),
    boolArray(rows.map(({ active }) => active)),
    int8Array(rows.map(({ startedAt }) => startedAt)),
    int8Array(rows.map(({ closedAt }) => closedAt)),
    textArray(rows.map(attributesText)),
  ],
  sql: (source) => `
    insert into perdure.execution (day, run_id, namespace, workflow_id, shard, workflow, version, status, active,
      started_at, closed_at, attributes)
    select given.* from ${source}`,
})

/** The bounds of the days are one more condition, so that partitions that have none of the rows are not looked at. */
const executionsUpdated = partOf({
  columns: `${RUN}, status text, active bool, closed_at int8, attributes text`,
  rows: (batch) => batch.executionsUpdated,
  arrays: (rows, days) => [
    ...runArrays(rows, days),
    textArray(rows.map(({ change }) => change.status)),
    boolArray(rows.map(({ change }) => change.active)),
    int8Array(rows.map(({ change }) => change.closedAt)),
    textArray(rows.map(({ change }) => attributesText(change))),
  ],
  sql: (source) => `
    update perdure.execution as t set
      status = given.status, active = given.active, closed_at = given.closed_at, attributes = given.attributes
    from ${source} where t.day = given.day and t.run_id = given.run_id`,
})

const currents = partOf({
  columns: `${KEY}, ${RUN}`,
  rows: (batch) => batch.currents,
  arrays: (rows, days) => [...keyArrays(rows.map(({ key }) => key)), ...runArrays(rows, days)],
  sql: (source) => `
    insert into perdure.current (namespace, workflow_id, day, run_id) select given.* from ${source}
    on conflict (namespace, workflow_id) do update set day = excluded.day, run_id = excluded.run_id`,
})

const currentsDropped = partOf({
  columns: KEY,
  rows: (batch) => batch.currentsDropped,
  arrays: (rows) => keyArrays(rows),
  sql: (source) => `
    delete from perdure.current as t using ${source}
    where t.namespace = given.namespace and t.workflow_id = given.workflow_id`,
})

const timersArmed = partOf({
  columns: `${RUN}, timer int4, due_at int8, shard int4`,
  rows: (batch) => batch.timersArmed,
  arrays: (rows, days) => [
    ...runArrays(rows, days),
    int4Array(rows.map(({ timer }) => timer)),
    int8Array(rows.map(({ dueAt }) => dueAt)),
    int4Array(rows.map(({ shard }) => shard)),
  ],
  sql: (source) => `
    insert into perdure.timer (day, run_id, timer, due_at, shard) select given.* from ${source}
    on conflict (day, run_id, timer) do update set due_at = excluded.due_at, shard = excluded.shard`,
})

const timersDropped = partOf({
  columns: `${RUN}, timer int4`,
  rows: (batch) => batch.timersDropped,
  arrays: (rows, days) => [...runArrays(rows, days), int4Array(rows.map(({ timer }) => timer))],
  sql: (source) => `
    delete from perdure.timer as t using ${source}
    where t.day = given.day and t.run_id = given.run_id and t.timer = given.timer`,
})

const outboxAdded = partOf({
  inserts: 'outbox',
  columns: 'from_shard int4, to_shard int4, seq int8, message text',
  rows: (batch) => batch.outboxAdded,
  arrays: (rows) => [...messageArrays(rows), textArray(rows.map(({ message }) => message))],
  sql: (source) => `
    insert into perdure.outbox (from_shard, to_shard, seq, message) select given.* from ${source}`,
})

const outboxDropped = partOf({
  deletes: 'outbox',
  columns: 'from_shard int4, to_shard int4, seq int8',
  rows: (batch) => batch.outboxDropped,
  arrays: (rows) => messageArrays(rows),
  sql: (source) => `
    delete from perdure.outbox as t using ${source}
    where t.from_shard = given.from_shard and t.to_shard = given.to_shard and t.seq = given.seq`,
})

const deletedRuns = partOf({
  columns: RUN,
  rows: (batch) => batch.deleted,
  arrays: (rows, days) => runArrays(rows, days),
  sql: (source) =>
    ['journal', 'execution', 'timer'].map(
      (table) => `
    delete from perdure.${table} as t using ${source} where t.day = given.day and t.run_id = given.run_id`,
    ),
})

/** A key that gets another newest run in the same batch has that one. */
const deletedCurrents = partOf({
  columns: `run_id text, ${KEY}`,
  rows: ({ deleted, currents: newest }) => {
    if (deleted.length === 0 || newest.length === 0) return deleted
    const written = new Set(newest.map(({ key }) => keyText(key)))
    return deleted.filter(({ key }) => !written.has(keyText(key)))
  },
  arrays: (rows) => [textArray(rows.map(({ runId }) => runId)), ...keyArrays(rows.map(({ key }) => key))],
  sql: (source) => `
    delete from perdure.current as t using ${source}
    where t.namespace = given.namespace and t.workflow_id = given.workflow_id and t.run_id = given.run_id`,
})

export const RUN_PARTS: readonly Part[] = [
  journal,
  executionsInserted,
  executionsUpdated,
  currents,
  currentsDropped,
  timersArmed,
  timersDropped,
  outboxAdded,
  outboxDropped,
  deletedRuns,
  deletedCurrents,
]

function attributesText({ attributes }: Pick<ExecutionRow, 'attributes'>): string | null {
  return attributes === null ? null : JSON.stringify(attributes)
}

function messageArrays(rows: readonly OutboxKey[]): Buffer[] {
  return [
    int4Array(rows.map(({ fromShard }) => fromShard)),
    int4Array(rows.map(({ toShard }) => toShard)),
    int8Array(rows.map(({ seq }) => seq)),
  ]
}
