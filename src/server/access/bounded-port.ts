/**
 * The engine's port within the quotas of what may be open in a namespace: for what comes from outside, by itself or by a rule for
 * events. Runs of schedules, children and what goes on as a new run count, and are never refused.
 */
import type { ClientPort } from '../../protocol/client-port.ts'
import { derived } from '../derived.ts'
import type { OpenPlaces } from './open-places.ts'

/** @param places once it is known which quotas there are */
export function boundedPort(port: ClientPort, places: () => Promise<OpenPlaces>): ClientPort {
  const tasks = derived(port.tasks, {
    enqueue: async (requests) => (await places()).enqueue(requests, () => port.tasks.enqueue(requests)),
  })
  return derived(port, {
    tasks,
    start: async (request) => (await places()).start(request, () => port.start(request)),
  })
}
