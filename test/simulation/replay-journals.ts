/** Runs the workflow code of each journal again, from scratch, one delivered event per turn. */
import { withoutWithdrawn } from '../../src/engine/live-table.ts'
import { isDelivered, type SequencedEvent } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import type { TurnReport } from '../../src/protocol/worker-port.ts'
import type { OperationKind } from '../../src/sdk/runtime/operation.ts'
import { RunContext } from '../../src/sdk/runtime/run-context.ts'
import { type RunHost, WorkflowRun } from '../../src/sdk/runtime/workflow-run.ts'
import { programWorkflow } from './interpreter.ts'
import type { Journal } from './journals.ts'

export interface Replayed {
  /** What the code reports at the end: the commands that the journal does not answer. */
  readonly report: TurnReport<undefined> | undefined
  /** For each operation the event whose delivery made the code ask for it. */
  readonly issuedAfter: ReadonlyMap<number, number>
  /** Signals that the code got, in order, by name. */
  readonly consumed: ReadonlyMap<string, readonly string[]>
}

class ReplayedRun extends WorkflowRun {
  readonly issuedAfter = new Map<number, number>()
  positionSeq = 0

  override takeNumber(kind: OperationKind, name: string): number {
    const op = super.takeNumber(kind, name)
    this.issuedAfter.set(op, this.positionSeq)
    return op
  }
}

interface Live {
  readonly run: ReplayedRun
  readonly runId: RunId
  /** Numbers of the events that will be delivered. */
  readonly delivered: number[]
  report: TurnReport<undefined> | undefined
}

const host: RunHost = {
  limits: DEFAULT_LIMITS,
  createContext: (run, scope) => new RunContext(run, scope),
  enter: (_run, call) => call(),
}

export async function replayJournals(journals: Iterable<Journal>): Promise<ReadonlyMap<RunId, Replayed>> {
  const consumed = new Map<string, Map<string, string[]>>()
  const definition = programWorkflow({
    inCode: () => {},
    runStep: () => {
      throw new Error('a replay runs no steps')
    },
    consumed: (runId, name, id) => {
      const ofRun = consumed.get(runId) ?? new Map<string, string[]>()
      consumed.set(runId, ofRun)
      ofRun.set(name, [...(ofRun.get(name) ?? []), id])
    },
  })
  const replayed = new Map<RunId, Replayed>()
  let live: Live[] = []
  for (const { runId, events } of journals) {
    const first = events[0]
    if (first?.type !== 'execution-started') continue
    const { key, workflow, version } = first
    const sequenced = events.map((event, i) => ({ seq: i + 1, event }) satisfies SequencedEvent)
    const history = withoutWithdrawn(sequenced)
    const run = new ReplayedRun(definition, { key, runId, workflow, version }, history, host)
    const delivered = history.filter(({ event }) => isDelivered(event)).map(({ seq }) => seq)
    live.push({ run, runId, delivered, report: undefined })
  }
  while (live.length > 0) {
    for (const each of live) {
      each.run.positionSeq = each.delivered.shift() ?? each.run.positionSeq
      each.run.beginTurn()
    }
    await new Promise<void>((resolve) => void setImmediate(resolve))
    const next: Live[] = []
    for (const each of live) {
      each.report = each.run.endTurn(undefined) ?? each.report
      if (each.run.hasWork && each.report?.parked === undefined) next.push(each)
      else
        replayed.set(each.runId, {
          report: each.report,
          issuedAfter: each.run.issuedAfter,
          consumed: consumed.get(each.runId) ?? new Map(),
        })
    }
    live = next
  }
  return replayed
}
