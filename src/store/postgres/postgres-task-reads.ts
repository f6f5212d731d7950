/** Reads of tasks. */
import type { TaskStatus } from '../../protocol/task-status.ts'
import {
  type DuePage,
  type HeldKey,
  isTaskListed,
  KEY_HOLDERS_MAX,
  type LaneCount,
  type TaskKey,
  type TaskListQuery,
  type TaskRow,
  type TaskSeq,
  taskFactsOfRow,
  type WaitingPage,
} from '../contract/task-rows.ts'
import { Conditions } from './conditions.ts'
import type { Row, Statement } from './postgres-link.ts'
import { type Ask, bounded } from './postgres-reads.ts'

const TASK_COLUMNS =
  'seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe, spec, state'
/** Rows of a list that are read at once, where more are read than are wanted. */
const LIST_PAGE = 1000

export class PostgresTaskReads {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async last(): Promise<TaskSeq> {
    const [row] = await this.#ask({ text: 'select max(seq) as last from perdure.task' })
    return Number(row?.last ?? 0)
  }

  async rows(seqs: readonly TaskSeq[]): Promise<(TaskRow | undefined)[]> {
    if (seqs.length === 0) return []
    const text = `select ${TASK_COLUMNS} from perdure.task where seq = any ($1::int8[])`
    const rows = await this.#ask({ name: 'perdure-tasks', text, values: [seqs] })
    const found = new Map(rows.map((row) => [row.seq, row]))
    return seqs.map((seq) => {
      const row = found.get(seq)
      return row === undefined ? undefined : taskOf(row)
    })
  }

  async seqs(keys: readonly TaskKey[]): Promise<(TaskSeq | undefined)[]> {
    if (keys.length === 0) return []
    const text = `
      select seq from unnest($1::text[], $2::text[]) with ordinality as asked (namespace, id, n)
      left join perdure.task using (namespace, id) order by n`
    const values = [keys.map(({ namespace }) => namespace), keys.map(({ id }) => id)]
    const rows = await this.#ask({ name: 'perdure-task-seqs', text, values })
    return rows.map(({ seq }) => (seq === null ? undefined : Number(seq)))
  }

  async holders(keys: readonly HeldKey[]): Promise<TaskSeq[][]> {
    if (keys.length === 0) return []
    const text = `
      select n, seq from unnest($1::text[], $2::text[]) with ordinality as asked (namespace, dedupe, n),
      lateral (
        select seq from perdure.task as t where t.namespace = asked.namespace and t.dedupe = asked.dedupe
        order by seq desc limit ${KEY_HOLDERS_MAX}) as held
      order by n, seq desc`
    const values = [keys.map(({ namespace }) => namespace), keys.map(({ dedupe }) => dedupe)]
    const holders: TaskSeq[][] = keys.map(() => [])
    for (const { n, seq } of await this.#ask({ name: 'perdure-key-holders', text, values }))
      holders[Number(n) - 1]?.push(Number(seq))
    return holders
  }

  /** From two indexes, each up to `most`: a row is stored as waiting while it runs. */
  async countOpen(namespace: string, most: number): Promise<number> {
    const text = `
      select (select count(*) from (
          select from perdure.task where namespace = $1 and status = 'waiting' limit $2) as waiting)
        + (select count(*) from (
          select from perdure.task where namespace = $1 and status = 'delayed' limit $2) as delayed) as open`
    const [row] = await this.#ask({ name: 'perdure-open-tasks', text, values: [namespace, bounded(most)] })
    return Math.min(Number(row?.open), most)
  }

  async lanes(): Promise<LaneCount[]> {
    const text = `
      select namespace, queue, part, lane, count(*) as waiting from perdure.task
      where status = 'waiting' group by namespace, queue, part, lane`
    return (await this.#ask({ text })).map((row) => ({
      namespace: String(row.namespace),
      queue: String(row.queue),
      partition: Number(row.part),
      lane: String(row.lane),
      waiting: Number(row.waiting),
    }))
  }

  async waiting({ namespace, queue, partition, lane, after, limit }: WaitingPage): Promise<TaskRow[]> {
    const text = `
      select ${TASK_COLUMNS} from perdure.task
      where status = 'waiting' and namespace = $1 and queue = $2 and part = $3 and lane = $4
        and (rank, seq) > ($5::float8, $6) order by rank, seq limit $7`
    const values = [namespace, queue, partition, lane, after.rank, bounded(after.seq), bounded(limit)]
    return (await this.#ask({ name: 'perdure-waiting', text, values })).map(taskOf)
  }

  async due({ after, upToMs, limit }: DuePage): Promise<TaskRow[]> {
    const text = `
      select ${TASK_COLUMNS} from perdure.task
      where due_at is not null and (due_at, seq) > ($1, $2) and due_at <= $3 order by due_at, seq limit $4`
    const values = [bounded(after.dueAt), bounded(after.seq), bounded(upToMs), bounded(limit)]
    return (await this.#ask({ name: 'perdure-due-tasks', text, values })).map(taskOf)
  }

  /**
   * Columns are compared by SQL, what is in the texts of a task here. There is no index for that: each would cost every
   * enqueue reading its JSON, and lists are for people.
   */
  async list(query: TaskListQuery): Promise<TaskRow[]> {
    const rows: TaskRow[] = []
    let before = query.before
    while (rows.length < query.limit) {
      const most = isOfTexts(query) ? LIST_PAGE : bounded(query.limit)
      const page = (await this.#ask(listStatement(query, before, most))).map(taskOf)
      for (const row of page) {
        if (rows.length >= query.limit) break
        if (isTaskListed(row, query, () => taskFactsOfRow(row))) rows.push(row)
      }
      before = page.at(-1)?.seq
      if (page.length < most) break
    }
    return rows
  }
}

function isOfTexts({ idPrefix, key, owner, errorCode, enqueuedFrom, enqueuedTo }: TaskListQuery): boolean {
  return [idPrefix, key, owner, errorCode, enqueuedFrom, enqueuedTo].some((each) => each !== undefined)
}

function listStatement(query: TaskListQuery, before: TaskSeq | undefined, limit: number): Statement {
  const where = new Conditions()
  const isUp = query.oldestFirst === true
  if (before !== undefined) where.add(`seq ${isUp ? '>' : '<'} ${where.value(bounded(before))}`)
  const { namespace, queue, name, status, closedBefore, seqFrom } = query
  if (seqFrom !== undefined) where.add(`seq >= ${where.value(bounded(seqFrom))}`)
  if (namespace !== undefined) where.add(`namespace = ${where.value(namespace)}`)
  if (queue !== undefined) where.add(`queue = ${where.value(queue)}`)
  if (name !== undefined) where.add(`name = ${where.value(name)}`)
  // The condition of the index of dead letters, word for word.
  if (status?.length === 1 && status[0] === 'failed') where.add(`status = 'failed'`)
  else if (status !== undefined) where.add(`status = any (${where.value(status)}::text[])`)
  if (closedBefore !== undefined) where.add(`closed_at < ${where.value(closedBefore)}::float8`)
  const end = `order by seq ${isUp ? '' : 'desc'} limit ${where.value(limit)}`
  return { text: `select ${TASK_COLUMNS} from perdure.task ${where.sql} ${end}`, values: where.values }
}

export function taskOf(row: Row): TaskRow {
  return {
    seq: Number(row.seq),
    namespace: String(row.namespace),
    id: row.id as string | null,
    queue: String(row.queue),
    partition: Number(row.part),
    name: String(row.name),
    status: row.status as TaskStatus,
    lane: String(row.lane),
    rank: Number(row.rank),
    dueAt: row.due_at as number | null,
    closedAt: row.closed_at as number | null,
    dedupe: row.dedupe as string | null,
    spec: String(row.spec),
    state: row.state as string | null,
  }
}
