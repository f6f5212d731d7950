/** "Why is this execution waiting?": what its state and its code say, one sentence for each operation. Pure. */
import type { ExecutionState, PendingOp } from '../core/execution/state.ts'
import type { ExecutionExplanation, WaitExplanation } from '../protocol/execution-explanation.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { DEFAULT_RETRY } from '../protocol/retry-policy.ts'
import { ownTaskId } from '../protocol/task-ids.ts'
import type { TaskExplanation } from '../protocol/task-port.ts'
import type { CodeWait } from '../protocol/worker-port.ts'
import { failureOfState } from './description.ts'
import { humanWait } from './people/why-human-waits.ts'
import { shownMs } from './tasks/why-waiting.ts'

const WAITS_MAX = 100
const SENTENCES_MAX = 3

export interface CodeOfExecution {
  /** Its code is in memory, or is being loaded. */
  readonly isLive: boolean
  /** No worker has it now. */
  readonly isWaiting: boolean
  readonly waits: readonly CodeWait[]
}

export function whyExecutionWaits(
  state: ExecutionState,
  code: CodeOfExecution,
  nowMs: number,
): ExecutionExplanation {
  const { status, notBefore } = state
  const failure = failureOfState(state)
  const of = failure === undefined ? {} : { failure }
  if (status !== 'running') {
    const why = failure === undefined ? '' : `: ${failure.message}`
    return { reason: status, sentence: `it is ${status}${why}`, waits: [], ...of }
  }
  if (!code.isLive && notBefore > nowMs)
    return {
      reason: 'delayed',
      sentence: `its code begins in ${shownMs(notBefore - nowMs)}`,
      waits: [],
      untilMs: notBefore,
    }
  const waits = waitsOf(state, code, nowMs)
  if (code.isWaiting) {
    const sentence = `no worker has code for workflow ${state.workflow} version ${state.version}`
    return { reason: 'no-worker', sentence, waits }
  }
  return explained({ reason: 'running-code', sentence: 'its code runs', waits })
}

/** The numbers of the tasks that it waits for. */
export function tasksOf({ ops, status }: ExecutionState): number[] {
  if (isClosed(status)) return []
  return [...ops]
    .slice(0, WAITS_MAX)
    .flatMap(([, pending]) => (pending.kind === 'task' ? [pending.task] : []))
}

/** Says of the tasks that it waits for why these wait. */
export function withTasks(
  explanation: ExecutionExplanation,
  tasks: ReadonlyMap<string, TaskExplanation>,
): ExecutionExplanation {
  const waits = explanation.waits.map((wait) => {
    const task = wait.kind === 'task' ? tasks.get(wait.taskId) : undefined
    return task === undefined ? wait : { ...wait, task, sentence: `${wait.sentence}: ${task.sentence}` }
  })
  return explained({ ...explanation, waits })
}

function explained(explanation: ExecutionExplanation): ExecutionExplanation {
  const all = explanation.waits
  const [first] = all
  if (first === undefined) return explanation
  const before = explanation.more ?? 0
  const waits = all.slice(0, WAITS_MAX)
  const more = all.length - waits.length + before
  const unsaid = all.length + before - SENTENCES_MAX
  const said = waits.slice(0, SENTENCES_MAX).map(({ sentence }) => sentence)
  return {
    ...explanation,
    reason: first.kind,
    sentence: unsaid > 0 ? `${said.join('; ')}; and ${unsaid} more` : said.join('; '),
    waits,
    ...(more === 0 ? {} : { more }),
  }
}

function waitsOf(
  { ops, runId }: ExecutionState,
  { isLive, waits }: CodeOfExecution,
  nowMs: number,
): WaitExplanation[] {
  const since = new Map(waits.map((wait) => [wait.op, wait]))
  const found: WaitExplanation[] = []
  for (const [op, pending] of ops) {
    // What code that was replayed has not asked for again is not waited for.
    if (pending.kind === 'step' && isLive && !pending.issued) continue
    found.push(
      pending.kind === 'human'
        ? humanWait(runId, op, pending)
        : waitOf(op, pending, since.get(op)?.sinceMs, nowMs),
    )
    since.delete(op)
  }
  for (const { op, name, sinceMs } of since.values()) found.push(signalWait({ op, name, sinceMs }))
  return found.sort((a, b) => a.op - b.op)
}

function waitOf(
  op: number,
  pending: Exclude<PendingOp, { kind: 'human' }>,
  sinceMs: number | undefined,
  nowMs: number,
): WaitExplanation {
  const { name } = pending
  switch (pending.kind) {
    case 'step':
      return stepWait(op, pending, nowMs)
    case 'sleep': {
      const { dueAt: untilMs } = pending
      return { kind: 'sleep', op, untilMs, sentence: `it sleeps until ${timeText(untilMs)}` }
    }
    case 'wait':
      return signalWait({
        op,
        name,
        untilMs: pending.dueAt,
        ...(sinceMs === undefined ? {} : { sinceMs }),
      })
    case 'child': {
      const { workflowId } = pending.key
      const child = { workflowId, runId: pending.runId }
      return { kind: 'child', op, name, child, sentence: `it waits for child ${workflowId} (${name})` }
    }
    case 'task': {
      const taskId = ownTaskId(pending.task)
      return { kind: 'task', op, name, taskId, sentence: `it waits for task ${name} (${taskId})` }
    }
  }
}

function stepWait(op: number, pending: PendingOp & { kind: 'step' }, nowMs: number): WaitExplanation {
  const { name, retry, running, attempt, retryAt: untilMs, lastFailure } = pending
  const { maxAttempts } = retry ?? DEFAULT_RETRY
  if (running) {
    const sentence = `step ${name} runs, attempt ${attempt} of ${maxAttempts}`
    return { kind: 'step', op, name, attempt, maxAttempts, sentence }
  }
  const next = attempt + 1
  const inMs = Math.max(0, untilMs - nowMs)
  const why = lastFailure === undefined ? '' : `: ${lastFailure.message}`
  return {
    kind: 'step-retry',
    op,
    name,
    attempt: next,
    maxAttempts,
    untilMs,
    ...(lastFailure === undefined ? {} : { failure: lastFailure }),
    sentence: `step ${name} is tried again in ${shownMs(inMs)}, attempt ${next} of ${maxAttempts}${why}`,
  }
}

function signalWait(wait: {
  readonly op: number
  readonly name: string
  readonly sinceMs?: number
  readonly untilMs?: number
}): WaitExplanation {
  const { name, sinceMs, untilMs } = wait
  const since = sinceMs === undefined ? '' : ` since ${timeText(sinceMs)}`
  const until = untilMs === undefined ? '' : `, until ${timeText(untilMs)}`
  return { kind: 'signal', ...wait, sentence: `it waits for signal ${name}${since}${until}` }
}

function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? `${ms} ms` : time.toISOString()
}
