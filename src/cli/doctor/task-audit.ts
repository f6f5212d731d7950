/**
 * What must hold for the row of a task, whatever became of it: told apart from the engine, so that an error there shows.
 *
 * 1. Its texts are JSON, its status is one that is stored, and its end has a time, a result or a failure.
 * 2. It is due when its spec and state say so, and never once it has ended.
 * 3. It waits in a lane that can be read, and holds its key only as long as it should.
 * 4. A task of an execution is open, and so is the execution; else a message between the two is on its way.
 */
import { parseLaneName } from '../../core/queue/lane.ts'
import { isKeyHeld, keyTextOf } from '../../core/task/task-key.ts'
import { dueMs, type TaskSpec, type TaskState } from '../../core/task/task-record.ts'
import { ownTaskId } from '../../protocol/task-ids.ts'
import type { TaskOwner } from '../../protocol/task-port.ts'
import { isTaskClosed, TASK_STATUSES } from '../../protocol/task-status.ts'
import type { TaskRow } from '../../store/contract/task-rows.ts'
import type { Soon } from './audit-rows.ts'
import type { Finding, FindingCode } from './finding.ts'

export interface TaskSurroundings {
  /** The status of an execution; undefined: there is no such run. */
  readonly isOpen: (owner: TaskOwner) => Soon<boolean | undefined>
  /** A message about this task is on its way. */
  readonly hasMessage: (row: TaskRow) => Soon<boolean>
}

export async function auditTask(row: TaskRow, surroundings: TaskSurroundings): Promise<Finding[]> {
  const findings: Finding[] = []
  const taskId = row.id ?? ownTaskId(row.seq)
  const report = (code: FindingCode, detail: string): void => void findings.push({ code, detail, taskId })
  const read = textsOf(row)
  if (read === undefined) {
    report('task-unreadable', 'its spec or its state is no JSON of a task')
    return findings
  }
  const { spec, state } = read
  auditStatus(row, state, report)
  auditPlace(row, read, report)
  const { owner } = spec
  if (owner === undefined) return findings
  const isOpen = await surroundings.isOpen(owner)
  if (isTaskClosed(row.status)) report('task-owner', 'it has ended, and its execution was not told')
  else if (isOpen !== true && !(await surroundings.hasMessage(row))) {
    const fate = isOpen === undefined ? 'is not there' : 'has ended'
    report(
      'task-owner',
      `it is ${row.status} for execution ${owner.workflowId}, run ${owner.runId}, which ${fate}`,
    )
  }
  return findings
}

type Report = (code: FindingCode, detail: string) => void

interface Texts {
  readonly spec: TaskSpec
  readonly state: TaskState
}

function textsOf({ spec, state }: TaskRow): Texts | undefined {
  try {
    const texts = { spec: JSON.parse(spec) as TaskSpec, state: JSON.parse(state ?? '{}') as TaskState }
    const areObjects = [texts.spec, texts.state].every((each) => typeof each === 'object' && each !== null)
    return areObjects && Number.isFinite(texts.spec.enqueuedMs) ? texts : undefined
  } catch {
    return undefined
  }
}

function auditStatus({ status, closedAt }: TaskRow, { result, failure }: TaskState, report: Report): void {
  if (!TASK_STATUSES.includes(status) || status === 'running') {
    report('task-status', `its status is '${status}'`)
    return
  }
  const isClosed = isTaskClosed(status)
  if (isClosed !== (closedAt !== null))
    report('task-status', `it is ${status}, and ${isClosed ? 'has no time of its end' : 'has ended'}`)
  if (status === 'completed' && result === undefined)
    report('task-status', 'it is completed without a result')
  if (isClosed && status !== 'completed' && failure === undefined)
    report('task-status', `it is ${status} without a failure`)
}

function auditPlace(row: TaskRow, { spec, state }: Texts, report: Report): void {
  const { status, dueAt, closedAt, name, dedupe, lane } = row
  const due = dueMs({ status, state }, spec)
  if (dueAt !== due) report('task-due', `it is ${status} and due at ${dueAt}, and should be at ${due}`)
  if (status === 'delayed' && state.wakeMs === undefined) report('task-due', 'it is delayed for ever')
  try {
    if (status === 'waiting') parseLaneName(lane)
  } catch {
    report('task-lane', `it waits in ${JSON.stringify(lane)}, which is no lane`)
  }
  const isHeld = isKeyHeld({ status, state }, spec, closedAt ?? 0)
  const held = (isHeld ? keyTextOf(name, spec) : undefined) ?? null
  if (held !== dedupe) report('task-key', `it holds the key ${dedupe}, and should hold ${held}`)
}
