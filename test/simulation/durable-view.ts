/** What the simulated database holds, read from each batch at the instant at which it takes effect. */
import { type Event, isTerminal } from '../../src/protocol/event.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import { TaskView } from './task-view.ts'

const MARKER = /"(m\d+)/g

export class DurableView {
  /** Events in the journal. */
  events = 0
  readonly byRun = new Map<RunId, Event[]>()
  /** Runs of each workflow id, oldest first. */
  readonly byId = new Map<string, RunId[]>()
  /** Everything from outside that the journal mentions: results of steps, payloads of signals. */
  readonly markers = new Set<string>()
  readonly ended = new Set<RunId>()
  readonly tasks = new TaskView()
  /** Workflow ids, oldest first. */
  readonly ids: string[] = []

  apply(batch: Batch): void {
    for (const { runId, seq, events: text } of batch.journal) {
      const events = JSON.parse(text) as Event[]
      const known = this.byRun.get(runId)
      if (known === undefined) this.byRun.set(runId, events)
      else if (known.length + 1 === seq) known.push(...events)
      // A batch that should not have taken effect: the dump of the store shows it to the checker.
      this.events += events.length
      for (const [, marker] of text.matchAll(MARKER)) if (marker !== undefined) this.markers.add(marker)
      for (const event of events) this.#note(runId, event)
    }
    this.events += batch.tasksInserted.length + batch.tasksUpdated.length
    this.tasks.apply(batch)
  }

  seqOf(runId: RunId): number {
    return this.byRun.get(runId)?.length ?? 0
  }

  has(id: string, matches: (event: Event, runId: RunId) => boolean): boolean {
    return (this.byId.get(id) ?? []).some((runId) =>
      this.byRun.get(runId)?.some((event) => matches(event, runId)),
    )
  }

  #note(runId: RunId, event: Event): void {
    if (event.type === 'execution-started') {
      const id = event.key.workflowId
      const runs = this.byId.get(id)
      if (runs === undefined) {
        this.byId.set(id, [runId])
        this.ids.push(id)
      } else runs.push(runId)
    } else if (isTerminal(event)) this.ended.add(runId)
    else if (event.type === 'execution-reopened') this.ended.delete(runId)
  }
}
