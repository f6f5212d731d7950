/**
 * Where payloads and failures are in events and in commands, and what they are there. Whoever changes them all (encrypts,
 * decrypts) does it by these tables; a place that is missing here would stay as it is, which a test on all events looks for.
 */
import type { PayloadPurpose } from './encrypted-payload.ts'
import type { Event, Operation } from './event.ts'
import type { Failure } from './failure.ts'
import type { HumanChange, SeatDecision } from './human-task.ts'
import type { Payload } from './payload.ts'
import type { WorkflowCommand } from './workflow-command.ts'

/** `child`: it belongs to the child of this operation; undefined: to the execution itself. */
export interface PlacesMapper {
  payload(payload: Payload, purpose: PayloadPurpose, child?: Operation): Payload
  failure(failure: Failure, child?: Operation): Failure
}

export function mapEvent<E extends Event>(event: E, to: PlacesMapper): E {
  // The one cast: what is mapped keeps its type.
  return mapped(event, to) as E
}

function mapped(event: Event, to: PlacesMapper): Event {
  switch (event.type) {
    case 'execution-started':
    case 'execution-continued':
      return { ...event, input: to.payload(event.input, 'input') }
    case 'execution-completed':
      return { ...event, result: to.payload(event.result, 'result') }
    case 'execution-failed':
    case 'execution-parked':
    case 'step-failed':
    case 'step-attempt-failed':
    case 'task-failed':
      return { ...event, failure: to.failure(event.failure) }
    case 'step-completed':
      return { ...event, result: to.payload(event.result, 'step-result') }
    case 'signal-received':
      return { ...event, payload: to.payload(event.payload, 'signal') }
    case 'child-started':
      return { ...event, input: to.payload(event.input, 'input', event.op) }
    case 'child-completed':
      return { ...event, result: to.payload(event.result, 'result', event.op) }
    case 'child-failed':
      return { ...event, failure: to.failure(event.failure, event.op) }
    case 'task-scheduled':
      return { ...event, input: to.payload(event.input, 'task-input') }
    case 'task-completed':
      return { ...event, result: to.payload(event.result, 'task-result') }
    case 'human-task-opened':
      return { ...event, spec: withData(event.spec, 'human-data', to) }
    case 'human-task-changed':
      return { ...event, change: mappedChange(event.change, to) }
    case 'human-task-closed':
      return { ...event, decisions: event.decisions.map((each) => mappedDecision(each, to)) }
    case 'update-accepted':
      return { ...event, payload: to.payload(event.payload, 'update') }
    case 'update-completed':
      return { ...event, ...mappedAnswer(event, to) }
    default:
      return event
  }
}

export function mapCommand(command: WorkflowCommand, to: PlacesMapper): WorkflowCommand {
  switch (command.kind) {
    case 'child':
      return { ...command, input: to.payload(command.input, 'input', command.op) }
    case 'task':
      return { ...command, input: to.payload(command.input, 'task-input') }
    case 'human':
      return { ...command, spec: withData(command.spec, 'human-data', to) }
    case 'signal-child':
      return { ...command, payload: to.payload(command.payload, 'signal', command.childOp) }
    case 'update-result':
      return { ...command, ...mappedAnswer(command, to) }
    case 'complete':
      return { ...command, result: to.payload(command.result, 'result') }
    case 'fail':
      return { ...command, failure: to.failure(command.failure) }
    case 'continue':
      return { ...command, input: to.payload(command.input, 'input') }
    default:
      return command
  }
}

export function mappedDecision(decision: SeatDecision, to: Pick<PlacesMapper, 'payload'>): SeatDecision {
  return withData(decision, 'human-result', to)
}

/** Of anything that may have data of this purpose. */
export function withData<T extends { readonly data?: Payload }>(
  value: T,
  purpose: PayloadPurpose,
  to: Pick<PlacesMapper, 'payload'>,
): T {
  const { data } = value
  return data === undefined ? value : { ...value, data: to.payload(data, purpose) }
}

function mappedChange(change: HumanChange, to: PlacesMapper): HumanChange {
  if (change.kind === 'returned') return withData(change, 'human-result', to)
  if (change.kind === 'decided') return { ...change, decision: mappedDecision(change.decision, to) }
  return change
}

function mappedAnswer(
  { result, failure }: { readonly result?: Payload; readonly failure?: Failure },
  to: PlacesMapper,
): { readonly result?: Payload; readonly failure?: Failure } {
  return {
    ...(result === undefined ? {} : { result: to.payload(result, 'update-result') }),
    ...(failure === undefined ? {} : { failure: to.failure(failure) }),
  }
}
