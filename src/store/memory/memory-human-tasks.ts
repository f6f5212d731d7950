/** The human tasks of a memory store: a list for each inbox. Rows are never changed in place. */
import { SortedList } from '../../protocol/sorted-list.ts'
import type { HumanTaskKey, HumanTaskQuery, HumanTaskRow } from '../contract/human-task-rows.ts'

type Place = HumanTaskKey & { readonly rank: string }

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const comparePlaces = (a: Place, b: Place): number =>
  compareText(a.rank, b.rank) || compareText(a.runId, b.runId) || a.op - b.op

const keyOf = ({ runId, op }: HumanTaskKey): string => `${runId}-${op}`

export class MemoryHumanTasks {
  readonly #rows = new Map<string, HumanTaskRow>()
  readonly #inboxes = new Map<string, SortedList<Place, HumanTaskRow>>()

  put(row: HumanTaskRow): void {
    this.delete(row)
    this.#rows.set(keyOf(row), row)
    for (const name of inboxesOf(row)) {
      const known = this.#inboxes.get(name)
      const inbox = known ?? new SortedList<Place, HumanTaskRow>(comparePlaces)
      if (known === undefined) this.#inboxes.set(name, inbox)
      inbox.add(row)
    }
  }

  delete(key: HumanTaskKey): void {
    const row = this.#rows.get(keyOf(key))
    if (row === undefined) return
    this.#rows.delete(keyOf(key))
    for (const name of inboxesOf(row)) {
      const inbox = this.#inboxes.get(name)
      inbox?.delete(row)
      if (inbox?.size === 0) this.#inboxes.delete(name)
    }
  }

  list({ namespace, inboxes, after, limit }: HumanTaskQuery): HumanTaskRow[] {
    const found = new Map<string, HumanTaskRow>()
    for (const name of new Set(inboxes)) {
      let left = limit
      this.#inboxes.get(`${namespace}\0${name}`)?.ascend(after, (row) => {
        if (left <= 0) return false
        found.set(keyOf(row), row)
        left -= 1
        return true
      })
    }
    return [...found.values()]
      .sort(comparePlaces)
      .slice(0, Math.max(0, limit))
      .map((row) => ({ ...row }))
  }
}

function inboxesOf({ namespace, offers }: HumanTaskRow): string[] {
  return (JSON.parse(offers) as string[]).map((name) => `${namespace}\0${name}`)
}
