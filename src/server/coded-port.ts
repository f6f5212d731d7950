/**
 * The engine's port for callers that do not have the code themselves: what there is no code for is not started, and tasks of the
 * engine's own are not enqueued.
 *
 * Behind the guard of a caller: whoever may not know of a namespace does not learn which code it has.
 */
import type { ClientPort } from '../protocol/client-port.ts'
import { PerdureError } from '../protocol/errors.ts'
import { RESERVED_ID, RESERVED_PREFIX } from '../protocol/task-port.ts'
import { derived } from './derived.ts'

/** Whether the engine has code for it. */
export type Knows = (workflow: string, version: string, namespace: string) => boolean

export function codedPort(port: ClientPort, knows: Knows): ClientPort {
  const assertKnown = (workflow: string, version: string, namespace: string): void => {
    if (knows(workflow, version, namespace)) return
    throw new PerdureError(
      'WORKFLOW_UNKNOWN',
      `workflow ${workflow} version ${version} is not registered with this engine`,
    )
  }
  const { start } = port
  const { enqueue } = port.tasks
  const tasks = derived(port.tasks, {
    enqueue: async (requests) => {
      for (const { name, queue, id = '' } of requests) {
        const own = id.startsWith(RESERVED_ID)
          ? id
          : [name, queue].find((each) => each.startsWith(RESERVED_PREFIX))
        if (own !== undefined)
          throw new PerdureError(
            'ARGUMENT_INVALID',
            `${own} is a name of the engine's own: those begin with ${RESERVED_PREFIX}, and ids with ${RESERVED_ID}`,
          )
      }
      return await enqueue.call(port.tasks, requests)
    },
  })
  const { create, update } = port.schedules
  const schedules = derived(port.schedules, {
    create: async (target, spec, options) => {
      assertKnown(spec.start.workflow, spec.start.version, target.namespace)
      await create.call(port.schedules, target, spec, options)
    },
    update: async (target, changes) => {
      const { workflow, version } = changes.start ?? {}
      if (workflow !== undefined && version !== undefined) assertKnown(workflow, version, target.namespace)
      await update.call(port.schedules, target, changes)
    },
  })
  return derived(port, {
    schedules,
    tasks,
    start: async (request) => {
      assertKnown(request.workflow, request.version, request.key.namespace)
      return await start.call(port, request)
    },
  })
}
