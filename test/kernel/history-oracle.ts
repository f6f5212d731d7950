/**
 * Does code fit a history? Told without the replay check of the runtime: the code runs live on the events that the history
 * delivers, and what it asks for is compared with what the history says was asked for.
 */
import { silentLogger } from '../../src/platform/logger.ts'
import { type Event, isDelivered, type SequencedEvent } from '../../src/protocol/event.ts'
import type { WorkflowCommand } from '../../src/protocol/workflow-command.ts'
import type { Workflow } from '../../src/sdk/definition.ts'
import { EmbeddedWorker } from '../../src/sdk/runtime/embedded-worker.ts'
import { KEY, runIdFor, START_MS } from './harness.ts'

export async function fitsHistory(code: Workflow, history: readonly SequencedEvent[]): Promise<boolean> {
  const asked = new Map<number, string>()
  const order = new Order()
  let isParked = false
  let deferred: (() => void) | undefined
  const worker = new EmbeddedWorker<undefined>({
    workflows: [code],
    logger: silentLogger,
    clock: {
      nowMs: () => START_MS,
      after: () => () => {},
      defer: (call) => {
        deferred = call
      },
    },
  })
  worker.connect({
    onTurn: (reports) => {
      for (const { commands, parked } of reports) {
        if (parked !== undefined) isParked = true
        for (const command of commands) {
          note(asked, command)
          order.asked(command)
        }
      }
      if (isParked) run.evict()
    },
    onStepCompleted: () => {},
    onStepFailed: () => {},
  })
  const info = { key: KEY, runId: runIdFor(0), workflow: code.name, version: code.version }
  const run = worker.activate({ owner: undefined, info, history: [] })
  for (const { seq, event } of history) {
    const recorded = recordedOperation(event)
    if (recorded !== undefined && asked.get(recorded[0]) !== recorded[1]) return false
    if (!order.fits(event)) return false
    if (!isDelivered(event)) continue
    run.deliver(seq, event)
    while (deferred !== undefined) {
      const call = deferred
      deferred = undefined
      call()
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
    if (isParked) return false
  }
  return true
}

/** Commands that are recorded at once come before all that was made after them. */
class Order {
  /** In the order in which the code made them; those that are recorded are taken out. */
  #made: WorkflowCommand[] = []

  asked(command: WorkflowCommand): void {
    this.#made.push(command)
  }

  fits(event: Event): boolean {
    const own = this.#made.findIndex((command) => isRecordOf(command, event))
    if (own >= 0) this.#made.splice(own, 1)
    const missing = this.#made.filter(({ kind }) => ['sleep', 'wait', 'attributes'].includes(kind))
    if (event.type === 'update-completed')
      return own < 0 || !missing.some((command) => this.#made.indexOf(command) < own)
    if (!('op' in event) || event.op === undefined) return true
    const { op } = event
    return !missing.some((command) => 'op' in command && command.op !== undefined && command.op < op)
  }
}

function isRecordOf(command: WorkflowCommand, event: Event): boolean {
  switch (event.type) {
    case 'timer-started':
      return (command.kind === 'sleep' || command.kind === 'wait') && command.op === event.op
    case 'attributes-set':
      return command.kind === 'attributes' && command.op === event.op
    case 'update-completed':
      return command.kind === 'update-result' && command.updateId === event.updateId
    default:
      return false
  }
}

function note(asked: Map<number, string>, command: WorkflowCommand): void {
  switch (command.kind) {
    case 'step':
      asked.set(command.op, `step ${command.name}`)
      return
    case 'sleep':
      asked.set(command.op, 'sleep sleep')
      return
    case 'wait':
      asked.set(command.op, `wait ${command.signal}`)
      return
    case 'child':
      asked.set(command.op, `child ${command.workflow}`)
      return
    case 'task':
      asked.set(command.op, `task ${command.name}`)
      return
    case 'human':
      asked.set(command.op, `human ${command.spec.kind} ${command.name}`)
      return
    case 'signal-child':
      asked.set(command.op, `signal-child ${command.signal}`)
      return
    case 'attributes':
      asked.set(command.op, 'attributes')
  }
}

/** The operation that an event says was asked for. */
function recordedOperation(event: Event): readonly [op: number, what: string] | undefined {
  switch (event.type) {
    case 'step-completed':
    case 'step-failed':
    case 'step-attempt-failed':
      return [event.op, `step ${event.name}`]
    case 'timer-started':
      return [event.op, `${event.kind} ${event.name}`]
    case 'child-started':
      return [event.op, `child ${event.name}`]
    case 'task-scheduled':
      return [event.op, `task ${event.name}`]
    case 'human-task-opened':
      return [event.op, `human ${event.spec.kind} ${event.name}`]
    case 'child-signalled':
      return [event.op, `signal-child ${event.name}`]
    case 'attributes-set':
      return [event.op, 'attributes']
    default:
      return undefined
  }
}
