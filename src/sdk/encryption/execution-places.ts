/** Where the payloads of an execution belong: to itself, or to one of its children. */
import type { PayloadPlace, PayloadPurpose } from '../../protocol/encrypted-payload.ts'
import type { Event, Operation } from '../../protocol/event.ts'
import type { WorkflowKey } from '../../protocol/ids.ts'
import type { PlacesMapper } from '../../protocol/payload-places.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import type { Coder, FailurePlace } from './payload-codec.ts'

export class ExecutionPlaces {
  readonly key: WorkflowKey
  readonly #children = new Map<Operation, string>()

  constructor(key: WorkflowKey) {
    this.key = key
  }

  /** Learns the id of a child from what the journal says of it. */
  see(event: Event): void {
    if (event.type === 'child-started') this.#children.set(event.op, event.key.workflowId)
  }

  /** The same, from what the code asks for. */
  seeCommand(command: WorkflowCommand): void {
    if (command.kind === 'child' && command.workflowId !== undefined)
      this.#children.set(command.op, command.workflowId)
  }

  place(purpose: PayloadPurpose, child?: Operation): PayloadPlace {
    const { namespace, workflowId } = this.key
    // What a child without an id of its own is called.
    const owner = child === undefined ? workflowId : (this.#children.get(child) ?? `${workflowId}/${child}`)
    return purpose === 'input' ? inputPlace({ namespace, workflowId: owner }) : { namespace, owner, purpose }
  }

  failure(child?: Operation): FailurePlace {
    return { ...this.place('failure', child), purpose: 'failure' }
  }

  opening(coder: Coder): PlacesMapper {
    return {
      payload: (payload, purpose, child) => coder.open(payload, this.place(purpose, child)),
      failure: (failure, child) => coder.openFailure(failure, this.failure(child)),
    }
  }

  /** For people: failures that cannot be read stay as they are. */
  reading(coder: Coder): PlacesMapper {
    return {
      ...this.opening(coder),
      failure: (failure, child) => coder.readFailure(failure, this.failure(child)),
    }
  }

  sealing(coder: Coder): PlacesMapper {
    return {
      payload: (payload, purpose, child) => coder.seal(payload, this.place(purpose, child)),
      failure: (failure, child) => coder.sealFailure(failure, this.failure(child)),
    }
  }
}

/** The input of an execution may be that of a schedule, whose prefix its id has. */
export function inputPlace({ namespace, workflowId }: WorkflowKey): PayloadPlace {
  return {
    namespace,
    owner: workflowId,
    purpose: 'input',
    or: {
      purpose: 'schedule-input',
      isOwner: (prefix) => prefix !== '' && workflowId.startsWith(`${prefix}-`),
    },
  }
}
