/** The end of workflow code, as a command of it and as an event of the history. */
import type { Event } from '../../protocol/event.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'

/** The code's own end: not one from outside, or by a limit. */
export function isEndOfCode(event: Event): boolean {
  switch (event.type) {
    case 'execution-completed':
    case 'execution-cancelled':
    case 'execution-continued':
      return true
    case 'execution-failed':
      return event.failure.code !== 'HISTORY_TOO_LONG'
    default:
      return false
  }
}

export function isEnding({ kind }: WorkflowCommand): boolean {
  return kind === 'complete' || kind === 'fail' || kind === 'cancelled' || kind === 'continue'
}
