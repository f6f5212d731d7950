/** What cannot be read parks a run before its code takes it; else code would meet that as an error of its own. */
import type { DeliveredEvent } from '../../protocol/event.ts'
import { assertDecodable } from '../../protocol/payload.ts'

/**
 * Of events whose payloads are decoded later, when code asks for them; others are decoded when they are delivered.
 *
 * @throws PerdureError `PAYLOAD_UNREADABLE`
 */
export function assertReadable(event: DeliveredEvent): void {
  if (event.type === 'signal-received' || event.type === 'update-accepted') assertDecodable(event.payload)
  else if (event.type === 'human-task-closed')
    for (const { data } of event.decisions) if (data !== undefined) assertDecodable(data)
}
