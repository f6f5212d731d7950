/** Tasks without an execution whose payloads are encrypted; and the results of tasks that have one. */
import type { ClientPort } from '../../protocol/client-port.ts'
import type { PayloadPlace } from '../../protocol/encrypted-payload.ts'
import {
  OWN_TASK_ID,
  type TaskDescription,
  type TaskPort,
  type TaskRequest,
  type TaskTarget,
} from '../../protocol/task-port.ts'
import type { Coder, PayloadCodec } from './payload-codec.ts'
import { placesOfExecutionTask, placesOfOwnTask, type TaskPlaces } from './task-places.ts'

/** Requests that are encrypted in one turn; between turns other work runs. */
const CHUNK_TASKS = 500

export function encryptedTasks(port: ClientPort, codec: PayloadCodec): TaskPort {
  const { tasks } = port
  return {
    enqueue: async (requests) => {
      const sealed: TaskRequest[] = []
      for (let start = 0; start < requests.length; start += CHUNK_TASKS) {
        if (start > 0) await new Promise((resolve) => setTimeout(resolve, 0))
        const chunk = requests.slice(start, start + CHUNK_TASKS).map((each) => withId(each, port))
        // What needs a key of its own asks for it at the same time as the others.
        const done = chunk.map((each) =>
          codec.code(each.namespace, (coder) => ({
            ...each,
            input: coder.seal(each.input, inputPlaceOf(each)),
          })),
        )
        sealed.push(...(await Promise.all(done)))
      }
      return tasks.enqueue(sealed)
    },
    outcome: async (...given) => {
      const [target] = given
      const outcome = await tasks.outcome(...given)
      const places = await placesOf(target, tasks)
      return codec.code(target.namespace, (coder) =>
        outcome.status === 'completed'
          ? { ...outcome, result: coder.open(outcome.result, places.result) }
          : { ...outcome, failure: coder.readFailure(outcome.failure, places.failure) },
      )
    },
    describe: async (target) => {
      const found = await tasks.describe(target)
      return codec.code(target.namespace, (coder) => read(found, target.namespace, coder))
    },
    list: async (query) => {
      const page = await tasks.list(query)
      return codec.code(query.namespace, (coder) => ({
        ...page,
        tasks: page.tasks.map((each) => read(each, query.namespace, coder)),
      }))
    },
    explain: (target) => tasks.explain(target),
    cancel: (target, reason) => tasks.cancel(target, reason),
    retry: (target) => tasks.retry(target),
    retryMany: (query) => tasks.retryMany(query),
    reprioritise: (target, priority) => tasks.reprioritise(target, priority),
    delete: (target) => tasks.delete(target),
    explainQueue: (queue) => tasks.explainQueue(queue),
  }
}

/** What a payload is bound to has to be known before it is sent. A debounced one is bound to the name of the task. */
function withId(request: TaskRequest, port: ClientPort): TaskRequest {
  if (request.id !== undefined || request.debounce !== undefined) return request
  return { ...request, id: port.newRequestId() }
}

function inputPlaceOf({ namespace, name, id, debounce }: TaskRequest): PayloadPlace {
  if (debounce !== undefined || id === undefined)
    return { namespace, owner: name, purpose: 'debounced-input' }
  return placesOfOwnTask({ namespace, id, name }).input
}

/** Only tasks without an id of their own may be those of an execution. */
async function placesOf(target: TaskTarget, tasks: TaskPort): Promise<TaskPlaces> {
  if (!target.id.startsWith(OWN_TASK_ID)) return placesOfOwnTask(target)
  return placesOfDescription(await tasks.describe(target), target.namespace)
}

function placesOfDescription({ id, owner }: TaskDescription, namespace: string): TaskPlaces {
  return owner === undefined
    ? placesOfOwnTask({ namespace, id })
    : placesOfExecutionTask(namespace, owner.workflowId)
}

function read(found: TaskDescription, namespace: string, coder: Coder): TaskDescription {
  const { failure } = found
  if (failure === undefined) return found
  return { ...found, failure: coder.readFailure(failure, placesOfDescription(found, namespace).failure) }
}
