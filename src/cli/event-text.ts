/** The details of an event in one line; the table cuts it. */
import type { Event } from '../protocol/event.ts'
import { humanChangeText } from '../protocol/human-change-text.ts'
import { printable } from './display-width.ts'
import { failureGlance } from './failure-text.ts'
import { payloadGlance } from './payload-text.ts'
import { durationText, timeText } from './time-text.ts'

/** Unknown events of a newer program have no details here. */
export function eventDetails(event: Event): string {
  return printable(executionDetails(event) ?? operationDetails(event) ?? '')
}

function executionDetails(event: Event): string | undefined {
  switch (event.type) {
    case 'execution-started': {
      const after = event.continuedFrom === undefined ? '' : ` after run ${event.continuedFrom}`
      return `${event.workflow} version ${event.version}${after}  ${payloadGlance(event.input)}`
    }
    case 'execution-completed':
      return payloadGlance(event.result)
    case 'execution-failed':
    case 'execution-parked':
      return failureGlance(event.failure)
    case 'execution-cancelled':
    case 'execution-terminated':
    case 'cancel-requested':
      return event.reason
    case 'execution-timed-out':
      return `longer than ${durationText(event.timeoutMs)}`
    case 'execution-continued':
      return `in run ${event.newRunId}`
    case 'execution-reopened':
      return `withdraws event ${event.failedSeq}`
    case 'signal-received':
    case 'update-accepted':
      return `${event.name}  ${payloadGlance(event.payload)}`
    case 'update-completed': {
      const { updateId, failure, result } = event
      if (failure !== undefined) return `${updateId}  ${failureGlance(failure)}`
      return `${updateId}  ${result === undefined ? '' : payloadGlance(result)}`
    }
    case 'patch-marked':
      return event.id
    default:
      return undefined
  }
}

function operationDetails(event: Event): string | undefined {
  switch (event.type) {
    case 'step-completed': {
      const attempt = event.attempt === undefined ? '' : ` attempt ${event.attempt}`
      return `#${event.op} ${event.name}${attempt}  ${payloadGlance(event.result)}`
    }
    case 'step-failed':
      return `#${event.op} ${event.name} attempt ${event.attempt}  ${failureGlance(event.failure)}`
    case 'step-attempt-failed': {
      const again = `again in ${durationText(event.delayMs)}`
      return `#${event.op} ${event.name} attempt ${event.attempt}, ${again}  ${failureGlance(event.failure)}`
    }
    case 'timer-started':
      return `#${event.op} ${event.kind === 'wait' ? `wait for ${event.name}` : event.name} until ${timeText(event.dueAt)}`
    case 'timer-fired':
      return `#${event.op}`
    case 'task-scheduled':
      return `#${event.op} ${event.name} in queue ${event.queue}`
    case 'task-completed': {
      const attempt = event.attempt === undefined ? '' : ` attempt ${event.attempt}`
      return `#${event.op} ${event.name}${attempt}  ${payloadGlance(event.result)}`
    }
    case 'task-failed':
      return `#${event.op} ${event.name} attempt ${event.attempts}  ${failureGlance(event.failure)}`
    case 'human-task-opened':
      return `#${event.op} ${event.name}: ${event.spec.title}`
    case 'human-task-changed':
      return `#${event.op} ${humanChangeText(event.change)}${event.by === undefined ? '' : ` by ${event.by}`}`
    case 'human-task-closed': {
      const by = event.by === undefined ? '' : ` by ${event.by}`
      return `#${event.op} ${event.name} ${event.outcome}${by}${event.reason === undefined ? '' : `: ${event.reason}`}`
    }
    case 'child-withdrawn':
      return `#${event.op} is started again: the end of this execution had ended it`
    case 'child-started':
      return `#${event.op} ${event.name} ${event.key.workflowId}`
    case 'child-completed':
      return `#${event.op}  ${payloadGlance(event.result)}`
    case 'child-failed':
      return `#${event.op}  ${failureGlance(event.failure)}`
    case 'child-signalled':
      return `#${event.op} ${event.name} to the child of #${event.childOp}`
    case 'attributes-set':
      return Object.entries(event.values)
        .map(([name, value]) => `${name}=${value}`)
        .join(' ')
    default:
      return undefined
  }
}
