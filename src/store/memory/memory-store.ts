/**
 * A store in memory: for tests, simulation, and engines whose executions may die with their process.
 *
 * It gives the same answers as the stores on disk, and stands for them in simulation. A commit takes effect at once, in
 * the call; only the answer comes later.
 */
import { PerdureError } from '../../protocol/errors.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import { keyText, type RunId, type WorkflowKey } from '../../protocol/ids.ts'
import type {
  AuditChainView,
  AuditHeadQuery,
  AuditHeadRow,
  AuditQuery,
  AuditRow,
} from '../contract/audit-rows.ts'
import type { Batch, CommitOutcome } from '../contract/batch.ts'
import type { HumanTaskQuery, HumanTaskRow } from '../contract/human-task-rows.ts'
import { isListed } from '../contract/list-filter.ts'
import type { QueueSettingQuery, QueueSettingRow } from '../contract/queue-setting-rows.ts'
import type { RegistryMark, RegistryQuery, RegistryRow } from '../contract/registry-rows.ts'
import type {
  ExecutionRow,
  JournalEntry,
  NodeIdentity,
  OutboxRow,
  Session,
  TimerRow,
} from '../contract/rows.ts'
import type {
  DueSchedulePage,
  ScheduleKey,
  ScheduleListQuery,
  ScheduleRow,
} from '../contract/schedule-rows.ts'
import type { Store, StoreListQuery, TimerPage } from '../contract/store.ts'
import type {
  DuePage,
  HeldKey,
  LaneCount,
  TaskKey,
  TaskListQuery,
  TaskRow,
  TaskSeq,
  WaitingPage,
} from '../contract/task-rows.ts'
import { copyRow, entryIndex, type MemoryRun, MemoryState } from './memory-state.ts'

/** Numbers of old batches are dropped in bulk, this many at a time; as many newer ones stay. */
const COMMITS_KEPT = 1000

/** `state`: data of an earlier store, to go on with. */
export function createMemoryStore(state: MemoryState = new MemoryState()): Store {
  return new MemoryStore(state)
}

class MemoryStore implements Store {
  private readonly state: MemoryState
  private closed = false

  constructor(state: MemoryState) {
    this.state = state
  }

  async register(node: NodeIdentity): Promise<{ session: Session; clockFloorMs: number }> {
    const state = this.opened()
    for (const session of state.sessions.values()) session.fenced = true
    const id = state.sessions.size + 1
    state.sessions.set(id, { incarnation: node.incarnation, fenced: false, commits: new Set() })
    return { session: { id, incarnation: node.incarnation }, clockFloorMs: state.clockFloorMs }
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    const state = this.opened()
    const session = state.sessions.get(batch.session.id)
    if (session === undefined || session.fenced || session.incarnation !== batch.session.incarnation) {
      return { outcome: 'fenced' }
    }
    if (session.commits.has(batch.seq)) return refused(`commit ${batch.session.id}, ${batch.seq} exists`)
    const reason = insertAll(state, batch)
    if (reason !== undefined) return refused(reason)
    applyRest(state, batch)
    recordCommit(session.commits, batch.seq)
    state.clockFloorMs = Math.max(state.clockFloorMs, batch.atMs)
    return { outcome: 'committed' }
  }

  async fence(session: Session): Promise<void> {
    const known = this.opened().sessions.get(session.id)
    if (known?.incarnation === session.incarnation) known.fenced = true
  }

  async hasCommitted(session: Session, seq: number): Promise<boolean> {
    const known = this.opened().sessions.get(session.id)
    return known?.incarnation === session.incarnation && known.commits.has(seq)
  }

  async currents(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]> {
    const { currents } = this.opened()
    return keys.map((key) => currents.get(keyText(key)))
  }

  async executions(runIds: readonly RunId[]): Promise<readonly (ExecutionRow | undefined)[]> {
    const { runs } = this.opened()
    return runIds.map((runId) => {
      const row = runs.get(runId)?.row
      return row === undefined ? undefined : copyRow(row)
    })
  }

  async journal(runId: RunId, afterSeq: number, limit: number): Promise<readonly JournalEntry[]> {
    const entries = this.opened().runs.get(runId)?.entries ?? []
    let first = entryIndex(entries, afterSeq + 1)
    const before = entries[first - 1]
    if (before !== undefined && before.seq + before.count - 1 > afterSeq) first--
    return entries.slice(first, first + limit).map((entry) => ({ ...entry }))
  }

  async lastEntry(runId: RunId): Promise<JournalEntry | undefined> {
    const entry = this.opened().runs.get(runId)?.entries.at(-1)
    return entry === undefined ? undefined : { ...entry }
  }

  async recoverable(after: RunId | undefined, limit: number): Promise<readonly ExecutionRow[]> {
    const { recoverable } = this.opened()
    const rows: ExecutionRow[] = []
    if (limit <= 0) return rows
    recoverable.ascend(after === undefined ? undefined : { runId: after }, (run) => {
      if (run.row !== undefined) rows.push(copyRow(run.row))
      return rows.length < limit
    })
    return rows
  }

  async countOpen(namespace: string, most: number): Promise<number> {
    let open = 0
    for (const { row } of this.opened().runs.values())
      if (row !== undefined && row.key.namespace === namespace && !isClosed(row.status)) open += 1
    return Math.min(open, most)
  }

  async timers(page: TimerPage): Promise<readonly TimerRow[]> {
    const { timers } = this.opened()
    const rows: TimerRow[] = []
    if (page.limit <= 0) return rows
    timers.ascend(page.after, (row) => {
      if (row.dueAt > page.upToMs) return false
      rows.push({ ...row })
      return rows.length < page.limit
    })
    return rows
  }

  async outbox(limit: number): Promise<readonly OutboxRow[]> {
    const { outbox } = this.opened()
    const rows: OutboxRow[] = []
    if (limit <= 0) return rows
    outbox.ascend(undefined, (row) => {
      rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }

  async list(query: StoreListQuery): Promise<readonly ExecutionRow[]> {
    const { byRun } = this.opened()
    const rows: ExecutionRow[] = []
    if (query.limit <= 0) return rows
    const visit = (run: MemoryRun): boolean => {
      if (run.row !== undefined && isListed(run.row, query)) rows.push(copyRow(run.row))
      return rows.length < query.limit
    }
    const position = query.before === undefined ? undefined : { runId: query.before }
    if (query.oldestFirst === true) byRun.ascend(position, visit)
    else byRun.descend(position, visit)
    return rows
  }

  async lastTaskSeq(): Promise<TaskSeq> {
    return this.opened().tasks.last
  }

  async tasks(seqs: readonly TaskSeq[]): Promise<readonly (TaskRow | undefined)[]> {
    const { tasks } = this.opened()
    return seqs.map((seq) => tasks.row(seq))
  }

  async taskSeqs(keys: readonly TaskKey[]): Promise<readonly (TaskSeq | undefined)[]> {
    const { tasks } = this.opened()
    return keys.map((key) => tasks.seqOf(key))
  }

  async keyHolders(keys: readonly HeldKey[]): Promise<readonly (readonly TaskSeq[])[]> {
    const { tasks } = this.opened()
    return keys.map((key) => tasks.holders(key))
  }

  async countOpenTasks(namespace: string, most: number): Promise<number> {
    return Math.min(this.opened().tasks.countOpen(namespace), most)
  }

  async lanes(): Promise<readonly LaneCount[]> {
    return this.opened().tasks.lanes()
  }

  async waiting(page: WaitingPage): Promise<readonly TaskRow[]> {
    return this.opened().tasks.waiting(page)
  }

  async dueTasks(page: DuePage): Promise<readonly TaskRow[]> {
    return this.opened().tasks.due(page)
  }

  async listTasks(query: TaskListQuery): Promise<readonly TaskRow[]> {
    return this.opened().tasks.list(query)
  }

  async schedules(keys: readonly ScheduleKey[]): Promise<readonly (ScheduleRow | undefined)[]> {
    return this.opened().schedules.rows(keys)
  }

  async dueSchedules(page: DueSchedulePage): Promise<readonly ScheduleRow[]> {
    return this.opened().schedules.due(page)
  }

  async queueSettings(query: QueueSettingQuery): Promise<readonly QueueSettingRow[]> {
    return this.opened().queueSettings.list(query)
  }

  async humanTasks(query: HumanTaskQuery): Promise<readonly HumanTaskRow[]> {
    return this.opened().humanTasks.list(query)
  }

  async registryRows(query: RegistryQuery): Promise<readonly RegistryRow[]> {
    return this.opened().registry.list(query)
  }

  async registryMark(): Promise<RegistryMark> {
    return this.opened().registry.mark()
  }

  async auditRows(query: AuditQuery): Promise<readonly AuditRow[]> {
    return this.opened().audit.list(query)
  }

  async auditSessions(): Promise<readonly AuditChainView[]> {
    return this.opened().audit.sessions()
  }

  async auditHeads(query: AuditHeadQuery): Promise<readonly AuditHeadRow[]> {
    return this.opened().audit.heads(query)
  }

  async listSchedules(query: ScheduleListQuery): Promise<readonly ScheduleRow[]> {
    return this.opened().schedules.list(query)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  private opened(): MemoryState {
    if (this.closed) throw new PerdureError('ENGINE_CLOSED', 'The memory store is closed')
    return this.state
  }
}

function refused(reason: string): CommitOutcome {
  return { outcome: 'refused', reason }
}

/** Writes what can be refused; a refusal takes back what came before it. Answers the reason of a refusal. */
function insertAll(state: MemoryState, batch: Batch): string | undefined {
  let entries = 0
  let executions = 0
  let messages = 0
  let tasks = 0
  let audits = 0
  let heads = 0
  let reason = wrongTime(batch)
  for (const entry of reason === undefined ? batch.journal : []) {
    if (!state.addEntry(entry)) {
      reason = `journal entry ${entry.runId}, ${entry.seq} exists`
      break
    }
    entries++
  }
  for (const row of reason === undefined ? batch.executionsInserted : []) {
    if (!state.addExecution(row)) {
      reason = `execution ${row.runId} exists`
      break
    }
    executions++
  }
  for (const row of reason === undefined ? batch.outboxAdded : []) {
    if (!state.outbox.add({ ...row })) {
      reason = `outbox row ${row.fromShard}, ${row.toShard}, ${row.seq} exists`
      break
    }
    messages++
  }
  for (const row of reason === undefined ? batch.tasksInserted : []) {
    if (!state.tasks.add(row)) {
      reason = `task ${row.seq} or its id exists`
      break
    }
    tasks++
  }
  for (const row of reason === undefined ? (batch.audit ?? []) : []) {
    if (!state.audit.add(row)) {
      reason = `audit row ${row.session}, ${row.seq} exists`
      break
    }
    audits++
  }
  for (const row of reason === undefined ? (batch.auditHeads ?? []) : []) {
    if (!state.audit.addHead(row)) {
      reason = `audit head ${row.number} exists`
      break
    }
    heads++
  }
  if (reason === undefined) return undefined
  for (const row of batch.auditHeads?.slice(0, heads) ?? []) state.audit.removeHead(row)
  for (const row of batch.audit?.slice(0, audits) ?? []) state.audit.remove(row)
  for (const { seq } of batch.tasksInserted.slice(0, tasks)) state.tasks.delete(seq)
  for (const row of batch.outboxAdded.slice(0, messages)) state.outbox.delete(row)
  for (const row of batch.executionsInserted.slice(0, executions)) state.removeExecution(row.runId)
  for (const entry of batch.journal.slice(0, entries)) state.removeEntry(entry.runId, entry.seq)
  return reason
}

/** Other stores have columns of whole numbers for these. */
function wrongTime({ tasksInserted, tasksUpdated }: Batch): string | undefined {
  const isWrong = ({ dueAt }: Pick<TaskRow, 'dueAt'>): boolean =>
    dueAt !== null && !Number.isSafeInteger(dueAt)
  const wrong = tasksInserted.find(isWrong) ?? tasksUpdated.find(({ change }) => isWrong(change))
  return wrong && `task ${wrong.seq} is due at a time that is no whole number`
}

function applyRest(state: MemoryState, batch: Batch): void {
  for (const { runId, change } of batch.executionsUpdated) state.changeExecution(runId, change)
  for (const { key, runId } of batch.currents) state.currents.set(keyText(key), runId)
  for (const key of batch.currentsDropped) state.currents.delete(keyText(key))
  for (const { runId, timer } of batch.timersDropped) state.dropTimer(runId, timer)
  for (const row of batch.timersArmed) state.armTimer(row)
  for (const key of batch.outboxDropped) state.outbox.delete(key)
  for (const { seq, change } of batch.tasksUpdated) state.tasks.change(seq, change)
  for (const seq of batch.tasksDeleted) state.tasks.delete(seq)
  for (const row of batch.schedules) state.schedules.put(row)
  for (const key of batch.schedulesDropped) state.schedules.delete(key)
  for (const row of batch.queueSettings) state.queueSettings.put(row)
  for (const row of batch.humanTasks) state.humanTasks.put(row)
  for (const key of batch.humanTasksDropped) state.humanTasks.delete(key)
  for (const row of batch.registry ?? []) state.registry.put(row)
  for (const key of batch.auditErased ?? []) state.audit.erase(key)
  for (const drop of batch.auditDropped ?? []) state.audit.drop(drop)
  for (const { runId, key } of batch.deleted) state.deleteRun(runId, keyText(key))
  for (const row of batch.inbox ?? []) state.inbox.set(`${row.toShard} ${row.fromShard}`, { ...row })
  for (const { shard: id, epoch, to } of batch.released ?? []) {
    const shard = state.shards[id]
    if (shard?.owner !== batch.session.id || shard.epoch !== epoch) continue
    shard.owner = to !== null && state.sessions.get(to)?.fenced === false ? to : null
    shard.epoch += 1
  }
}

function recordCommit(commits: Set<number>, seq: number): void {
  commits.add(seq)
  if (commits.size < 2 * COMMITS_KEPT) return
  let surplus = commits.size - COMMITS_KEPT
  for (const old of commits) {
    if (surplus-- === 0) break
    commits.delete(old)
  }
}
