/**
 * Runs workflow code against a recorded history, without an engine: nothing is called, nothing is recorded.
 *
 * Beside what every replay checks (kind, name and order of the operations), the end is compared: code that returns
 * something else than what was recorded, or goes on where the history ends, has diverged too.
 */
import { isDeepStrictEqual } from 'node:util'
import { isTerminal, type SequencedEvent, type TerminalEvent } from '../../protocol/event.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { RunInfo } from '../../protocol/worker-port.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import type { Workflow } from '../definition.ts'
import { withRun } from '../runtime/current-run.ts'
import { RunContext } from '../runtime/run-context.ts'
import { WorkflowRun } from '../runtime/workflow-run.ts'

// Taken before anybody can replace it.
const { setImmediate } = globalThis

export interface ReplayInput {
  readonly definition: Workflow
  readonly info: RunInfo
  /** The journal, without what `execution-reopened` withdrew. */
  readonly history: readonly SequencedEvent[]
  readonly limits: Limits
}

/** How the code diverges from the history; undefined if it does not. */
export async function replayRun({
  definition,
  info,
  history,
  limits,
}: ReplayInput): Promise<Failure | undefined> {
  const run = new WorkflowRun(definition, info, history, {
    limits,
    createContext: (of, scope) => new RunContext(of, scope),
    enter: withRun,
  })
  const commands: WorkflowCommand[] = []
  try {
    do {
      run.beginTurn()
      await new Promise<void>((resolve) => void setImmediate(resolve))
      const report = run.endTurn(undefined)
      if (report?.parked !== undefined) return report.parked
      commands.push(...(report?.commands ?? []))
    } while (run.hasWork)
  } finally {
    run.end()
  }
  return divergedAnswer(commands, history) ?? divergedEnd(commands, history, run)
}

type Ending = Extract<WorkflowCommand, { kind: 'complete' | 'fail' | 'cancelled' | 'continue' }>

function divergedEnd(
  commands: readonly WorkflowCommand[],
  history: readonly SequencedEvent[],
  run: WorkflowRun,
): Failure | undefined {
  const last = history.at(-1)
  if (last === undefined || !isTerminal(last.event)) return undefined
  const started = history[0]?.event
  // Ended from outside, or by a limit: the code had no part in it.
  if (last.event.type === 'execution-terminated' || last.event.type === 'execution-timed-out')
    return undefined
  if (last.event.type === 'execution-failed' && last.event.failure.code === 'HISTORY_TOO_LONG')
    return undefined
  // Cancelled before a delayed start: the code never ran.
  if (started?.type === 'execution-started' && (started.notBefore ?? 0) > last.event.at) return undefined
  const made = commands.find(isEnding)
  const expected = describedEvent(last.event)
  if (made === undefined) {
    const [op, pending] = [...run.pending].at(-1) ?? []
    const waitsFor =
      pending === undefined ? 'goes on' : `waits for operation ${op}, ${pending.kind} '${pending.name}'`
    return nondeterminism(`history ends with ${expected} (event ${last.seq}), but the code ${waitsFor}`)
  }
  if (isSameEnd(made, last.event)) return undefined
  return nondeterminism(
    `history ends with ${expected} (event ${last.seq}), but the code ended with ${describedEnding(made)}`,
  )
}

/** Results of updates, against what was recorded. */
function divergedAnswer(
  commands: readonly WorkflowCommand[],
  history: readonly SequencedEvent[],
): Failure | undefined {
  for (const command of commands) {
    if (command.kind !== 'update-result') continue
    for (const { seq, event } of history) {
      if (event.type !== 'update-completed' || event.updateId !== command.updateId) continue
      const isSame =
        isDeepStrictEqual(event.result, command.result) && event.failure?.message === command.failure?.message
      if (!isSame)
        return nondeterminism(
          `history has ${JSON.stringify(event.result?.[3] ?? event.failure?.message)} as the answer of update ${event.updateId} (event ${seq}), but the code answered ${JSON.stringify(command.result?.[3] ?? command.failure?.message)}`,
        )
    }
  }
  return undefined
}

function isEnding(command: WorkflowCommand): command is Ending {
  return ['complete', 'fail', 'cancelled', 'continue'].includes(command.kind)
}

function isSameEnd(made: Ending, event: TerminalEvent): boolean {
  switch (made.kind) {
    case 'complete':
      return event.type === 'execution-completed' && isDeepStrictEqual(made.result, event.result)
    case 'fail':
      return (
        event.type === 'execution-failed' &&
        made.failure.name === event.failure.name &&
        made.failure.message === event.failure.message
      )
    case 'cancelled':
      return event.type === 'execution-cancelled' && event.reason === made.reason
    case 'continue':
      return event.type === 'execution-continued' && isDeepStrictEqual(made.input, event.input)
  }
}

function describedEvent(event: TerminalEvent): string {
  switch (event.type) {
    case 'execution-completed':
      return `the result ${JSON.stringify(event.result[3])}`
    case 'execution-failed':
      return `the failure '${event.failure.name}: ${event.failure.message}'`
    case 'execution-continued':
      return `a new run with the input ${JSON.stringify(event.input[3])}`
    default:
      return event.type
  }
}

function describedEnding(made: Ending): string {
  switch (made.kind) {
    case 'complete':
      return `the result ${JSON.stringify(made.result[3])}`
    case 'fail':
      return `the failure '${made.failure.name}: ${made.failure.message}'`
    case 'continue':
      return `a new run with the input ${JSON.stringify(made.input[3])}`
    case 'cancelled':
      return 'its cancellation'
  }
}

function nondeterminism(message: string): Failure {
  return platformFailure('NONDETERMINISM', message)
}
