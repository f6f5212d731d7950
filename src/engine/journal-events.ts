/** Events out of the entries of a journal. */
import type { Event, SequencedEvent } from '../protocol/event.ts'
import type { JournalEntry } from '../store/contract/rows.ts'

export function eventsAfter(entries: readonly JournalEntry[], afterSeq: number): SequencedEvent[] {
  const events: SequencedEvent[] = []
  for (const entry of entries) {
    let { seq } = entry
    for (const event of JSON.parse(entry.events) as Event[]) {
      if (seq > afterSeq) events.push({ seq, event })
      seq += 1
    }
  }
  return events
}
