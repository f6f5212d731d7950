/** Reads of schedules, settings of queues, and human tasks. */
import type { RunId } from '../../protocol/ids.ts'
import type { HumanTaskQuery, HumanTaskRow } from '../contract/human-task-rows.ts'
import type { QueueSettingQuery, QueueSettingRow } from '../contract/queue-setting-rows.ts'
import type {
  DueSchedulePage,
  ScheduleKey,
  ScheduleListQuery,
  ScheduleRow,
} from '../contract/schedule-rows.ts'
import { Conditions } from './conditions.ts'
import type { Row } from './postgres-link.ts'
import { type Ask, bounded } from './postgres-reads.ts'

const SCHEDULE_COLUMNS = 'namespace, id, due_at, waits, spec, state'
const SETTING_COLUMNS = 'namespace, queue, revision, setting'

export class PostgresDeskReads {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async schedules(keys: readonly ScheduleKey[]): Promise<(ScheduleRow | undefined)[]> {
    if (keys.length === 0) return []
    const text = `
      select n, ${SCHEDULE_COLUMNS}
      from unnest($1::text[], $2::text[]) with ordinality as asked (namespace, id, n)
      join perdure.schedule using (namespace, id)`
    const values = [keys.map(({ namespace }) => namespace), keys.map(({ id }) => id)]
    const found = new Map((await this.#ask({ text, values })).map((row) => [Number(row.n), row]))
    return keys.map((_, index) => {
      const row = found.get(index + 1)
      return row === undefined ? undefined : scheduleOf(row)
    })
  }

  async dueSchedules({ after, upToMs, limit }: DueSchedulePage): Promise<ScheduleRow[]> {
    const text = `
      select ${SCHEDULE_COLUMNS} from perdure.schedule
      where due_at is not null and (due_at, namespace, id) > ($1, $2, $3) and due_at <= $4
      order by due_at, namespace, id limit $5`
    const values = [bounded(after.dueAt), after.namespace, after.id, bounded(upToMs), bounded(limit)]
    return (await this.#ask({ text, values })).map(scheduleOf)
  }

  async listSchedules({ namespace, after, waits, limit }: ScheduleListQuery): Promise<ScheduleRow[]> {
    const where = new Conditions()
    if (after !== undefined)
      where.add(`(namespace, id) > (${where.value(after.namespace)}, ${where.value(after.id)})`)
    if (namespace !== undefined) where.add(`namespace = ${where.value(namespace)}`)
    if (waits !== undefined) where.add('waits')
    const end = `order by namespace, id limit ${where.value(bounded(limit))}`
    const text = `select ${SCHEDULE_COLUMNS} from perdure.schedule ${where.sql} ${end}`
    return (await this.#ask({ text, values: where.values })).map(scheduleOf)
  }

  async queueSettings({ namespace, after, limit }: QueueSettingQuery): Promise<QueueSettingRow[]> {
    const where = new Conditions()
    if (after !== undefined)
      where.add(`(namespace, queue) > (${where.value(after.namespace)}, ${where.value(after.queue)})`)
    if (namespace !== undefined) where.add(`namespace = ${where.value(namespace)}`)
    const end = `order by namespace, queue limit ${where.value(bounded(limit))}`
    const text = `select ${SETTING_COLUMNS} from perdure.queue_setting ${where.sql} ${end}`
    return (await this.#ask({ text, values: where.values })).map((row) => ({
      namespace: String(row.namespace),
      queue: String(row.queue),
      revision: Number(row.revision),
      setting: String(row.setting),
    }))
  }

  /** Of each inbox the first ones, and of these the first ones. */
  async humanTasks({ namespace, inboxes, after, limit }: HumanTaskQuery): Promise<HumanTaskRow[]> {
    if (inboxes.length === 0) return []
    const text = `
      select run_id, op, task.namespace, workflow_id, task.rank, offers, summary from (
        select distinct rank, run_id, op from unnest($2::text[]) as asked (inbox), lateral (
          select rank, run_id, op from perdure.human_offer as t
          where t.namespace = $1 and t.inbox = asked.inbox and (rank, run_id, op) > ($3, $4, $5)
          order by rank, run_id, op limit $6) as offer
        order by rank, run_id, op limit $6) as place
      join perdure.human_task as task using (run_id, op) order by task.rank, run_id, op`
    const position = [after?.rank ?? '', after?.runId ?? '', after?.op ?? 0]
    const rows = await this.#ask({ text, values: [namespace, inboxes, ...position, bounded(limit)] })
    return rows.map((row) => ({
      runId: row.run_id as RunId,
      op: Number(row.op),
      namespace: String(row.namespace),
      workflowId: String(row.workflow_id),
      rank: String(row.rank),
      offers: String(row.offers),
      summary: String(row.summary),
    }))
  }
}

export function scheduleOf(row: Row): ScheduleRow {
  return {
    namespace: String(row.namespace),
    id: String(row.id),
    dueAt: row.due_at as number | null,
    waits: row.waits === true,
    spec: String(row.spec),
    state: String(row.state),
  }
}
