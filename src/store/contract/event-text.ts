/**
 * JSON text of an event, as the journal holds it.
 *
 * The commonest events are written by hand: `JSON.stringify` of them costs twice as much, and there is one for every step.
 */
import type { Event } from '../../protocol/event.ts'
import type { Payload } from '../../protocol/payload.ts'

/** Names of steps repeat: their JSON texts are kept, up to a bound. */
const NAMES_LIMIT = 10_000
const names = new Map<string, string>()

export function eventText(event: Event): string {
  if (event.v !== undefined) return JSON.stringify(event)
  switch (event.type) {
    case 'step-completed': {
      const attempt = event.attempt === undefined ? '' : `,"attempt":${event.attempt}`
      return `{"type":"step-completed","op":${event.op},"name":${nameText(event.name)}${attempt},"result":${payloadText(event.result)},"at":${event.at}}`
    }
    case 'execution-completed':
      return `{"type":"execution-completed","result":${payloadText(event.result)},"at":${event.at}}`
    default:
      return JSON.stringify(event)
  }
}

function payloadText(payload: Payload): string {
  const [format, codec, keyId, data] = payload
  if (codec !== 'json' || keyId !== null) return JSON.stringify(payload)
  return `[${format},"json",null,${JSON.stringify(data)}]`
}

function nameText(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(name)
  if (names.size < NAMES_LIMIT) names.set(name, text)
  return text
}
