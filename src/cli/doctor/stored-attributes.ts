import type { Attributes } from '../../protocol/event.ts'

/** Attributes that are no JSON differ from those of any journal. */
export function attributesOf(text: unknown): Attributes | null {
  if (text === null) return null
  try {
    return JSON.parse(String(text)) as Attributes
  } catch {
    return { unreadable: String(text) }
  }
}
