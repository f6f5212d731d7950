/**
 * The audit of a whole store: every run by `auditRun`, and what must hold between the tables.
 *
 * 1. Each run is read from one commit, so the audit is right while an engine runs. A snapshot is held for moments only:
 *    it would keep the log of the engine from being copied into the file.
 * 2. Memory does not grow with the store: one run is read at a time, and of findings the first of each kind are kept.
 */
import { setImmediate } from 'node:timers/promises'
import { EXECUTION_STATUSES, isClosed } from '../../protocol/execution-status.ts'
import { isRunId, type RunId, runDay, shardOf, type WorkflowKey } from '../../protocol/ids.ts'
import { MESSAGES_PER_EPOCH, type Message } from '../../protocol/message.ts'
import type { RegistryKey } from '../../store/contract/registry-rows.ts'
import type { OutboxRow } from '../../store/contract/rows.ts'
import type { ScheduleKey } from '../../store/contract/schedule-rows.ts'
import type { TaskSeq } from '../../store/contract/task-rows.ts'
import { auditChain, auditRegistryRow } from './admin-audit.ts'
import type { AuditRows, RunPosition, StoredEntry, StoredExecution } from './audit-rows.ts'
import { type Finding, FindingLog } from './finding.ts'
import { auditHumanTasks } from './human-task-audit.ts'
import { auditRun } from './journal-audit.ts'
import { auditQueueSetting } from './queue-setting-audit.ts'
import { auditSchedule } from './schedule-audit.ts'
import { StoreRows } from './store-rows.ts'
import { auditTask } from './task-audit.ts'

export interface AuditCounts {
  executions: number
  byStatus: Record<string, number>
  events: number
  entries: number
  timers: number
  messages: number
  tasks: number
  tasksByStatus: Record<string, number>
  schedules: number
  queueSettings: number
  humanTasks: number
  registryEntries: number
  auditRows: number
}

export interface FileAudit {
  readonly counts: AuditCounts
  /** The first of each kind. */
  readonly findings: readonly Finding[]
  /** Of all kinds, those not kept included. */
  readonly findingCount: number
  /** Those of them that are about tasks. */
  readonly taskFindingCount: number
  /** Those that are about schedules. */
  readonly scheduleFindingCount: number
  /** Those that are about settings of queues. */
  readonly queueFindingCount: number
  readonly inboxFindingCount: number
  /** Those that are about administrative objects. */
  readonly registryFindingCount: number
  /** Those that are about the audit trail. */
  readonly auditFindingCount: number
  readonly clockFloorMs: number
}

export interface AuditOptions {
  /** Findings kept of each kind. Default 10. */
  readonly keptPerCode?: number
  /** Told at least every 200 ms of work. */
  readonly onProgress?: (done: number, total: number) => void
  /** Aborts between two snapshots. */
  readonly signal?: AbortSignal
  /** An engine that is running, by the time of its start: messages it has not delivered for a minute are stuck. */
  readonly engineSinceMs?: number
  /** Default: the system's clock. */
  readonly nowMs?: number
}

const KEPT_PER_CODE = 10
const SNAPSHOT_MS = 200
const STUCK_MS = 60_000
const JOURNAL_FORMAT = 1
const BEFORE_ALL: RunPosition = { day: Number.MIN_SAFE_INTEGER, runId: '' }

/** Opens the file for reading, audits it, and closes it. For tests, and for tools. */
export async function auditFile(file: string, options: AuditOptions = {}): Promise<FileAudit> {
  const { openForTool } = await import('../../store/sqlite/tool-connection.ts')
  const connection = openForTool(file)
  try {
    return await auditStore(new StoreRows(connection.database), options)
  } finally {
    connection.close()
  }
}

export async function auditStore(rows: AuditRows, options: AuditOptions = {}): Promise<FileAudit> {
  const auditor = new StoreAuditor(rows, options)
  await auditor.auditAll()
  return auditor.result()
}

class StoreAuditor {
  readonly #rows: AuditRows
  readonly #options: AuditOptions
  readonly #log: FindingLog
  #shards = 0
  readonly #counts: AuditCounts = {
    executions: 0,
    byStatus: {},
    events: 0,
    entries: 0,
    timers: 0,
    messages: 0,
    tasks: 0,
    tasksByStatus: {},
    schedules: 0,
    queueSettings: 0,
    humanTasks: 0,
    registryEntries: 0,
    auditRows: 0,
  }

  constructor(rows: AuditRows, options: AuditOptions) {
    this.#rows = rows
    this.#options = options
    this.#log = new FindingLog(options.keptPerCode ?? KEPT_PER_CODE)
  }

  async result(): Promise<FileAudit> {
    return {
      counts: this.#counts,
      findings: this.#log.kept,
      findingCount: this.#log.total,
      taskFindingCount: this.#log.totalOf((code) => code.startsWith('task-')),
      scheduleFindingCount: this.#log.totalOf((code) => code.startsWith('schedule-')),
      queueFindingCount: this.#log.totalOf((code) => code.startsWith('queue-')),
      inboxFindingCount: this.#log.totalOf((code) => code.startsWith('inbox-')),
      registryFindingCount: this.#log.totalOf((code) => code.startsWith('registry-')),
      auditFindingCount: this.#log.totalOf((code) => code.startsWith('audit-')),
      clockFloorMs: await this.#rows.clockFloor(),
    }
  }

  async auditAll(): Promise<void> {
    await this.#guarded(async () => {
      this.#shards = (await this.#rows.meta('shards')) ?? 0
    })
    await this.#guarded(() => this.#rows.snapshot(() => this.#auditSessions()))
    await this.#auditRuns()
    await this.#auditTasks()
    await this.#auditSchedules()
    await this.#guarded(() => this.#rows.snapshot(() => this.#auditQueueSettings()))
    await this.#auditRegistry()
    await this.#auditChains()
    await this.#guarded(() => this.#rows.snapshot(() => this.#auditInboxes()))
    await this.#guarded(() => this.#rows.snapshot(() => this.#auditOutbox()))
    for (const table of ['journal', 'timer'] as const)
      await this.#guarded(() => this.#rows.snapshot(() => this.#auditOrphans(table)))
    await this.#guarded(() => this.#rows.snapshot(() => this.#auditCurrents()))
  }

  /** A damaged page ends the reading of its table, not the audit. */
  async #guarded(read: () => Promise<void>): Promise<boolean> {
    try {
      await read()
      return true
    } catch (error) {
      if (!(error instanceof Error) || !this.#rows.isDamage(error)) throw error
      this.#log.add({ code: 'rows-unreadable', detail: error.message })
      return false
    }
  }

  async #auditRuns(): Promise<void> {
    const { onProgress, signal } = this.#options
    let position: RunPosition | undefined = BEFORE_ALL
    let total = 0
    const counting = async (): Promise<void> => {
      total = await this.#rows.executionCount()
    }
    if (!(await this.#guarded(counting))) return
    while (position !== undefined) {
      const after: RunPosition = position
      const read = async (): Promise<void> => {
        position = await this.#rows.snapshot(() => this.#auditSome(after))
      }
      if (!(await this.#guarded(read))) return
      onProgress?.(this.#counts.executions, total)
      await setImmediate()
      signal?.throwIfAborted()
    }
  }

  /** Runs after a position for some time; where it stopped, or undefined at the end. */
  async #auditSome(after: RunPosition): Promise<RunPosition | undefined> {
    const endMs = performance.now() + SNAPSHOT_MS
    for await (const execution of this.#rows.executions(after)) {
      await this.#auditExecution(execution)
      if (performance.now() > endMs) return execution
    }
    return undefined
  }

  async #auditTasks(): Promise<void> {
    let position: TaskSeq | undefined = -1
    while (position !== undefined) {
      const after: TaskSeq = position
      const read = async (): Promise<void> => {
        position = await this.#rows.snapshot(() => this.#auditSomeTasks(after))
      }
      if (!(await this.#guarded(read))) return
      await setImmediate()
      this.#options.signal?.throwIfAborted()
    }
  }

  async #auditSchedules(): Promise<void> {
    let position: ScheduleKey | undefined = { namespace: '', id: '' }
    while (position !== undefined) {
      const after: ScheduleKey = position
      const read = async (): Promise<void> => {
        position = await this.#rows.snapshot(() => this.#auditSomeSchedules(after))
      }
      if (!(await this.#guarded(read))) return
      await setImmediate()
      this.#options.signal?.throwIfAborted()
    }
  }

  async #auditSomeSchedules(after: ScheduleKey): Promise<ScheduleKey | undefined> {
    const endMs = performance.now() + SNAPSHOT_MS
    for await (const row of this.#rows.schedules(after)) {
      this.#counts.schedules += 1
      for (const finding of auditSchedule(row)) this.#log.add(finding)
      if (performance.now() > endMs) return row
    }
    return undefined
  }

  /** Few: as many as queues that somebody has changed. */
  async #auditQueueSettings(): Promise<void> {
    for await (const row of this.#rows.queueSettings()) {
      this.#counts.queueSettings += 1
      for (const finding of auditQueueSetting(row)) this.#log.add(finding)
    }
  }

  async #auditRegistry(): Promise<void> {
    let position: RegistryKey | undefined = { kind: '', namespace: '', id: '' }
    while (position !== undefined) {
      const after: RegistryKey = position
      const read = async (): Promise<void> => {
        position = await this.#rows.snapshot(() => this.#auditSomeOfRegistry(after))
      }
      if (!(await this.#guarded(read))) return
      await setImmediate()
      this.#options.signal?.throwIfAborted()
    }
  }

  async #auditSomeOfRegistry(after: RegistryKey): Promise<RegistryKey | undefined> {
    const endMs = performance.now() + SNAPSHOT_MS
    for await (const row of this.#rows.registry(after)) {
      this.#counts.registryEntries += 1
      for (const finding of auditRegistryRow(row)) this.#log.add(finding)
      if (performance.now() > endMs) return row
    }
    return undefined
  }

  /** Each chain is of one commit; an engine may go on with one meanwhile. */
  async #auditChains(): Promise<void> {
    let sessions: readonly number[] = []
    const list = async (): Promise<void> => {
      sessions = await this.#rows.snapshot(async () => this.#rows.auditedSessions())
    }
    if (!(await this.#guarded(list))) return
    for (const session of sessions) {
      await this.#guarded(() => this.#rows.snapshot(() => this.#auditOneChain(session)))
      this.#options.signal?.throwIfAborted()
    }
  }

  async #auditOneChain(session: number): Promise<void> {
    const chain = await this.#rows.auditChain(session)
    this.#counts.auditRows += chain.rows
    for (const finding of auditChain(chain)) this.#log.add(finding)
  }

  async #auditSomeTasks(after: TaskSeq): Promise<TaskSeq | undefined> {
    const endMs = performance.now() + SNAPSHOT_MS
    const counts = this.#counts
    for await (const row of this.#rows.tasks(after)) {
      counts.tasks += 1
      counts.tasksByStatus[row.status] = (counts.tasksByStatus[row.status] ?? 0) + 1
      const findings = await auditTask(row, {
        isOpen: async ({ runId }) => {
          const owner = await this.#rows.execution({ day: runDay(runId), runId })
          return owner === undefined ? undefined : !isClosed(owner.status)
        },
        hasMessage: async ({ seq }) => {
          for await (const { message } of this.#rows.outbox()) {
            const parsed = messageOf(message)
            if (parsed !== undefined && 'task' in parsed && parsed.task === seq) return true
          }
          return false
        },
      })
      for (const finding of findings) this.#log.add(finding)
      if (performance.now() > endMs) return row.seq
    }
    return undefined
  }

  async #auditExecution(row: StoredExecution): Promise<void> {
    const counts = this.#counts
    const { runId, key, status } = row
    counts.executions += 1
    counts.byStatus[status] = (counts.byStatus[status] ?? 0) + 1
    const about = { runId, workflowId: key.workflowId }
    if (!isRunId(runId) || runDay(runId) !== row.day)
      this.#log.add({ code: 'summary-differs', detail: `its run id is not of day ${row.day}`, ...about })
    if (!EXECUTION_STATUSES.includes(status))
      this.#log.add({ code: 'summary-differs', detail: `its status is '${status}'`, ...about })
    const audit = await auditRun({
      runId,
      row,
      entries: this.#entries(row),
      timers: await this.#rows.timers(row),
      ...(this.#shards > 0 ? { shards: this.#shards } : {}),
    })
    counts.events += audit.events
    counts.entries += audit.entries
    counts.timers += audit.timers
    for (const finding of audit.findings) this.#log.add(finding)
    if (audit.state !== undefined) {
      const tasks = await this.#rows.humanTasks(runId)
      counts.humanTasks += tasks.length
      for (const finding of auditHumanTasks(audit.state, tasks)) this.#log.add(finding)
    }
    if (isClosed(status)) return
    if ((await this.#rows.current(key))?.runId !== runId)
      this.#log.add({
        code: 'current-missing',
        detail: `${status}, and not the current run of its id`,
        ...about,
      })
    for (const [op, pending] of audit.state?.ops ?? []) {
      if (pending.kind === 'child') await this.#auditChild(row, { op, ...pending })
    }
  }

  /** What belongs to no run. */
  async #auditInboxes(): Promise<void> {
    for await (const { runId, count } of this.#rows.runsOfHumanTasks()) {
      const isThere =
        isRunId(runId) && (await this.#rows.execution({ day: runDay(runId), runId })) !== undefined
      if (isThere && count > 0) continue
      this.#log.add({
        code: 'inbox-differs',
        detail: 'inboxes have human tasks of a run that is not there',
        runId,
      })
    }
  }

  async *#entries(row: StoredExecution): AsyncGenerator<StoredEntry> {
    for await (const entry of this.#rows.entries(row)) {
      if (entry.format !== JOURNAL_FORMAT) {
        const detail = `the entry has format ${entry.format}`
        const about = { runId: row.runId, workflowId: row.key.workflowId, seq: entry.seq }
        this.#log.add({ code: 'event-newer', detail, ...about })
      }
      yield entry
    }
  }

  /** A child that its parent waits for is open, or a message between the two is on its way. */
  async #auditChild(
    parent: StoredExecution,
    child: { readonly op: number; readonly key: WorkflowKey; readonly runId: RunId },
  ): Promise<void> {
    const { key, op } = child
    let row = await this.#rows.execution({ day: runDay(child.runId), runId: child.runId })
    if (row?.status === 'continued') {
      const current = await this.#rows.current(key)
      row = current === undefined ? undefined : await this.#rows.execution(current)
    }
    if (row !== undefined && !isClosed(row.status)) return
    for await (const { message } of this.#rows.outbox()) {
      const to = messageOf(message)?.to
      if (to !== undefined && (isSameKey(to, key) || isSameKey(to, parent.key))) return
    }
    const fate = row === undefined ? 'is not there' : `is ${row.status}, and its parent was not told`
    this.#log.add({
      code: 'child-lost',
      detail: `it waits for the child ${key.workflowId} of operation ${op}, which ${fate}`,
      runId: parent.runId,
      workflowId: parent.key.workflowId,
    })
  }

  async #auditOutbox(): Promise<void> {
    for await (const row of this.#rows.outbox()) {
      this.#counts.messages += 1
      const problem = this.#messageProblem(row)
      const place = `from shard ${row.fromShard} to ${row.toShard}, number ${row.seq}`
      if (problem !== undefined)
        this.#log.add({ code: 'message-unreadable', detail: `message ${place} ${problem}` })
      else if (await this.#isStuck(row))
        this.#log.add({
          code: 'message-stuck',
          detail: `message ${place} is not delivered, though an engine runs`,
        })
    }
  }

  #messageProblem({ message, toShard }: OutboxRow): string | undefined {
    const parsed = messageOf(message)
    if (parsed === undefined) return 'is unreadable'
    if (this.#shards > 0 && shardOf(parsed.to, this.#shards) !== toShard) return 'is for another shard'
    return undefined
  }

  /** Messages of earlier sessions are the first thing that an engine delivers. */
  async #isStuck({ seq }: OutboxRow): Promise<boolean> {
    const { engineSinceMs, nowMs = Date.now() } = this.#options
    if (engineSinceMs === undefined || nowMs < engineSinceMs + STUCK_MS) return false
    return seq < (await this.#rows.newestSession()) * MESSAGES_PER_EPOCH
  }

  async #auditOrphans(table: 'journal' | 'timer'): Promise<void> {
    const what = table === 'journal' ? 'journal entries' : 'timers'
    for await (const { runId } of this.#rows.withoutSummary(table))
      this.#log.add({
        code: 'summary-missing',
        detail: `there are ${what} of run ${runId}, and no summary`,
        runId: runId as RunId,
      })
  }

  async #auditCurrents(): Promise<void> {
    for await (const { workflowId, runId } of this.#rows.danglingCurrents()) {
      const detail = `the current run of the id is ${runId}, which is not there`
      this.#log.add({ code: 'current-dangling', detail, runId, workflowId })
    }
  }

  async #auditSessions(): Promise<void> {
    for (const finding of await this.#rows.ownershipFindings()) this.#log.add(finding)
  }
}

function messageOf(text: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(text)
    if (typeof message !== 'object' || message === null || !('to' in message)) return undefined
    return message as Message
  } catch {
    return undefined
  }
}

function isSameKey(a: WorkflowKey, b: WorkflowKey): boolean {
  return a.namespace === b.namespace && a.workflowId === b.workflowId
}
