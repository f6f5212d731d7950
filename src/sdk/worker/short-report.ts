/**
 * Reports that are larger than an engine takes. It would end the connection, and the next one too, for ever: the task, the step or
 * the run has failed instead.
 */
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { WorkerMessage } from '../../protocol/worker-messages.ts'

/** Without one; undefined: nothing has to be said. */
export function shortReport(message: WorkerMessage): WorkerMessage | undefined {
  switch (message.type) {
    case 'completed':
    case 'failed':
    case 'yielded':
      return { type: 'failed', token: message.token, failure: tooLarge(`its report (${message.type})`) }
    case 'heartbeat':
      return { type: 'heartbeat', token: message.token }
    case 'step-completed':
    case 'step-failed': {
      const { run, op, attempt } = message
      return { type: 'step-failed', run, op, attempt, failure: tooLarge(`its report (${message.type})`) }
    }
    case 'answer':
      return { type: 'answer', run: message.run, call: message.call, failure: tooLarge('the answer') }
    case 'verdict': {
      const { run, call } = message
      return { type: 'verdict', run, call, verdict: 'rejected', failure: tooLarge('the verdict') }
    }
    case 'waiting':
      return { type: 'waiting', run: message.run, call: message.call, waits: [] }
    case 'turn': {
      const { run, seen, idle } = message
      return { type: 'turn', run, seen, idle, parked: tooLarge('what its code asks for at once') }
    }
    default:
      // The others have no payloads and no failures.
      return undefined
  }
}

function tooLarge(what: string): Failure {
  return {
    ...platformFailure('PAYLOAD_TOO_LARGE', `${what} is larger than the engine takes`),
    nonRetryable: true,
  }
}
