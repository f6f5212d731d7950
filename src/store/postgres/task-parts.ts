/** What a batch writes of tasks, schedules, settings of queues, and human tasks. */
import type { Batch } from '../contract/batch.ts'
import type { HumanTaskKey } from '../contract/human-task-rows.ts'
import type { TaskChange } from '../contract/task-rows.ts'
import { type Part, partOf } from './batch-part.ts'
import { boolArray, float8Array, int4Array, int8Array, textArray } from './binary-array.ts'

const tasksInserted = partOf({
  inserts: 'task',
  columns: `seq int8, namespace text, id text, queue text, part int4, name text, status text, lane text, rank float8,
    due_at int8, closed_at int8, dedupe text, spec text, state text`,
  rows: (batch) => batch.tasksInserted,
  arrays: (rows) => [
    int8Array(rows.map(({ seq }) => seq)),
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    textArray(rows.map(({ queue }) => queue)),
    int4Array(rows.map(({ partition }) => partition)),
    textArray(rows.map(({ name }) => name)),
    textArray(rows.map(({ status }) => status)),
    textArray(rows.map(({ lane }) => lane)),
    float8Array(rows.map(({ rank }) => rank)),
    int8Array(rows.map(({ dueAt }) => dueAt)),
    int8Array(rows.map(({ closedAt }) => closedAt)),
    textArray(rows.map(({ dedupe }) => dedupe)),
    textArray(rows.map(({ spec }) => spec)),
    textArray(rows.map(({ state }) => state)),
  ],
  sql: (source) => `
    insert into perdure.task (seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe,
      spec, state)
    select given.* from ${source}`,
})

type TaskUpdate = Batch['tasksUpdated'][number]

const UPDATE = 'seq int8, status text, lane text, rank float8, due_at int8, closed_at int8, state text'
const SET = `status = given.status, lane = given.lane, rank = given.rank, due_at = given.due_at,
      closed_at = given.closed_at, state = given.state`

function updateArrays(rows: readonly TaskUpdate[]): Buffer[] {
  return [
    int8Array(rows.map(({ seq }) => seq)),
    textArray(rows.map(({ change }) => change.status)),
    textArray(rows.map(({ change }) => change.lane)),
    float8Array(rows.map(({ change }) => change.rank)),
    int8Array(rows.map(({ change }) => change.dueAt)),
    int8Array(rows.map(({ change }) => change.closedAt)),
    textArray(rows.map(({ change }) => change.state)),
  ]
}

const hasKey = ({ change }: { readonly change: TaskChange }): boolean => change.dedupe !== undefined

const tasksUpdated = partOf({
  columns: UPDATE,
  rows: (batch) =>
    batch.tasksUpdated.some(hasKey) ? batch.tasksUpdated.filter((row) => !hasKey(row)) : batch.tasksUpdated,
  arrays: updateArrays,
  sql: (source) => `update perdure.task as t set ${SET} from ${source} where t.seq = given.seq`,
})

const taskKeysUpdated = partOf({
  columns: `${UPDATE}, dedupe text`,
  rows: (batch) => batch.tasksUpdated.filter(hasKey),
  arrays: (rows) => [...updateArrays(rows), textArray(rows.map(({ change }) => change.dedupe ?? null))],
  sql: (source) => `
    update perdure.task as t set ${SET}, dedupe = given.dedupe from ${source} where t.seq = given.seq`,
})

const tasksDeleted = partOf({
  deletes: 'task',
  columns: 'seq int8',
  rows: (batch) => batch.tasksDeleted,
  arrays: (rows) => [int8Array(rows)],
  sql: (source) => `delete from perdure.task as t using ${source} where t.seq = given.seq`,
})

const schedules = partOf({
  columns: 'namespace text, id text, due_at int8, waits bool, spec text, state text',
  rows: (batch) => batch.schedules,
  arrays: (rows) => [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    int8Array(rows.map(({ dueAt }) => dueAt)),
    boolArray(rows.map(({ waits }) => waits)),
    textArray(rows.map(({ spec }) => spec)),
    textArray(rows.map(({ state }) => state)),
  ],
  sql: (source) => `
    insert into perdure.schedule (namespace, id, due_at, waits, spec, state) select given.* from ${source}
    on conflict (namespace, id) do update set
      due_at = excluded.due_at, waits = excluded.waits, spec = excluded.spec, state = excluded.state`,
})

const schedulesDropped = partOf({
  columns: 'namespace text, id text',
  rows: (batch) => batch.schedulesDropped,
  arrays: (rows) => [textArray(rows.map(({ namespace }) => namespace)), textArray(rows.map(({ id }) => id))],
  sql: (source) => `
    delete from perdure.schedule as t using ${source} where t.namespace = given.namespace and t.id = given.id`,
})

const queueSettings = partOf({
  columns: 'namespace text, queue text, revision int8, setting text',
  rows: (batch) => batch.queueSettings,
  arrays: (rows) => [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ queue }) => queue)),
    int8Array(rows.map(({ revision }) => revision)),
    textArray(rows.map(({ setting }) => setting)),
  ],
  sql: (source) => `
    insert into perdure.queue_setting (namespace, queue, revision, setting) select given.* from ${source}
    on conflict (namespace, queue) do update set revision = excluded.revision, setting = excluded.setting`,
})

/** Offers that stay are not written: one that is deleted could not be inserted again by the same statement. */
const humanTasks = partOf({
  columns: 'run_id text, op int4, namespace text, workflow_id text, rank text, offers text, summary text',
  rows: (batch) => batch.humanTasks,
  arrays: (rows) => [
    ...humanTaskArrays(rows),
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ workflowId }) => workflowId)),
    textArray(rows.map(({ rank }) => rank)),
    textArray(rows.map(({ offers }) => offers)),
    textArray(rows.map(({ summary }) => summary)),
  ],
  sql: (source) => [
    `
    insert into perdure.human_task (run_id, op, namespace, workflow_id, rank, offers, summary)
    select given.* from ${source}
    on conflict (run_id, op) do update set namespace = excluded.namespace, workflow_id = excluded.workflow_id,
      rank = excluded.rank, offers = excluded.offers, summary = excluded.summary`,
    `
    delete from perdure.human_offer as t using ${source}
    where t.run_id = given.run_id and t.op = given.op
      and not (t.namespace = given.namespace and t.rank = given.rank and given.offers::jsonb ? t.inbox)`,
    `
    insert into perdure.human_offer (namespace, inbox, rank, run_id, op)
    select given.namespace, inbox, given.rank, given.run_id, given.op
    from ${source}, jsonb_array_elements_text(given.offers::jsonb) as inbox
    on conflict do nothing`,
  ],
})

const humanTasksDropped = partOf({
  columns: 'run_id text, op int4',
  rows: (batch) => batch.humanTasksDropped,
  arrays: humanTaskArrays,
  sql: (source) =>
    ['human_task', 'human_offer'].map(
      (table) => `
    delete from perdure.${table} as t using ${source} where t.run_id = given.run_id and t.op = given.op`,
    ),
})

function humanTaskArrays(rows: readonly HumanTaskKey[]): Buffer[] {
  return [textArray(rows.map(({ runId }) => runId)), int4Array(rows.map(({ op }) => op))]
}

export const TASK_PARTS: readonly Part[] = [
  tasksInserted,
  tasksUpdated,
  taskKeysUpdated,
  tasksDeleted,
  schedules,
  schedulesDropped,
  queueSettings,
  humanTasks,
  humanTasksDropped,
]
