/**
 * JSON text of an event, as the journal holds it.
 *
 * The commonest event is written by hand: `JSON.stringify` of it costs twice as much, and it is written for every step.
 */
import type { Event } from '../../protocol/event.ts'

/** Names of steps repeat: their JSON texts are kept, up to a bound. */
const NAMES_LIMIT = 10_000
const names = new Map<string, string>()

export function eventText(event: Event): string {
  if (event.type !== 'step-completed' || event.v !== undefined) return JSON.stringify(event)
  const attempt = event.attempt === undefined ? '' : `,"attempt":${event.attempt}`
  const result = JSON.stringify(event.result)
  return `{"type":"step-completed","op":${event.op},"name":${nameText(event.name)}${attempt},"result":${result},"at":${event.at}}`
}

function nameText(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(name)
  if (names.size < NAMES_LIMIT) names.set(name, text)
  return text
}
