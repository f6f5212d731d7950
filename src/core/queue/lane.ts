/**
 * Tasks that wait in one lane: all of the same flow, and all held up by the same things. Its first tasks are in memory, as a
 * window; the others are in the store only.
 *
 * 1. All that wait up to the horizon are in memory; all beyond it are not. Without a horizon all are in memory.
 * 2. The horizon only moves when a page has been read, or when the window has grown too large.
 * 3. What changed in batches that a page may not have seen is in the log, and is merged with the page.
 */
import { SortedList } from '../../protocol/sorted-list.ts'
import type { HeapItem } from './indexed-heap.ts'

/** Where a task waits in its lane. */
export interface Position {
  readonly rank: number
  /** Of the task, unique in the queue. */
  readonly seq: number
}

export interface LaneName {
  /** Unique for the other fields; stored with each task. */
  readonly text: string
  /** Of the settings that the place of its tasks was made with: others give other places. */
  readonly policy: string
  /** Of the policy. */
  readonly flow: string
  /** Tasks that are held up together by limits per key; '' without such limits. */
  readonly limitKey: string
  /** Tasks that the same workers can run. */
  readonly classId: string
}

export function laneName({ policy, flow, limitKey, classId }: Omit<LaneName, 'text'>): LaneName {
  const text = [policy, flow, limitKey, classId].map(escaped).join('\n')
  return { text, policy, flow, limitKey, classId }
}

/** @throws Error if no lane has this text */
export function parseLaneName(text: string): LaneName {
  const [policy, flow, limitKey, classId, more] = text.split('\n')
  if (
    policy === undefined ||
    flow === undefined ||
    limitKey === undefined ||
    classId === undefined ||
    more !== undefined
  )
    throw new Error(`invariant: ${JSON.stringify(text)} is not the name of a lane`)
  return {
    text,
    policy: plain(policy),
    flow: plain(flow),
    limitKey: plain(limitKey),
    classId: plain(classId),
  }
}

function escaped(part: string): string {
  if (!/[\\\n\0]/.test(part)) return part
  return part.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\0', '\\0')
}

const PLAIN = { n: '\n', '0': '\0', '\\': '\\' } as const

function plain(part: string): string {
  return part.includes('\\') ? part.replace(/\\(.)/g, (_, char) => PLAIN[char as keyof typeof PLAIN]) : part
}

export interface WaitingTask extends Position {
  readonly lane: LaneName
  readonly chargeMs: number
}

export function comparePositions(a: Position, b: Position): number {
  return a.rank - b.rank || a.seq - b.seq
}

/** A task may wait elsewhere later: where it was is kept apart. */
function positionOf({ rank, seq }: Position): Position {
  return { rank, seq }
}

const BEFORE_ALL: Position = { rank: Number.NEGATIVE_INFINITY, seq: -1 }

export class Lane<Task extends WaitingTask> implements HeapItem {
  readonly name: LaneName
  /** What waits, in memory and beyond. */
  size: number
  /** Among lanes the smallest turn is next; ties in the order of `tie`. */
  turn = 0
  tie = 0
  heapIndex = -1
  isReading = false
  isHeldUp = false
  readonly #window = new SortedList<Position, Task>(comparePositions)
  #horizon: Position | undefined

  /** @param stored tasks that wait in the store, none of which is in memory */
  constructor(name: LaneName, stored: number) {
    this.name = name
    this.size = stored
    this.#horizon = stored === 0 ? undefined : BEFORE_ALL
  }

  get head(): Task | undefined {
    return this.#window.first
  }

  get horizon(): Position | undefined {
    return this.#horizon
  }

  get inMemory(): number {
    return this.#window.size
  }

  get beyond(): number {
    return this.size - this.#window.size
  }

  /** A lower bound of where the first task waits. */
  get start(): Position {
    return this.head ?? this.#horizon ?? BEFORE_ALL
  }

  /** Shows those in memory, in order; false: `look` has answered so. */
  visit(look: (task: Task) => boolean): boolean {
    let goesOn = true
    this.#window.ascend(undefined, (task) => {
      goesOn = look(task)
      return goesOn
    })
    return goesOn
  }

  /** Tasks before the position; undefined: not all of them are in memory. */
  ahead(position: Position): number | undefined {
    if (this.#horizon !== undefined && comparePositions(position, this.#horizon) > 0) return undefined
    let count = 0
    this.#window.ascend(undefined, (task) => {
      if (comparePositions(task, position) >= 0) return false
      count += 1
      return true
    })
    return count
  }

  add(task: Task): void {
    this.size += 1
    if (this.#horizon === undefined || comparePositions(task, this.#horizon) <= 0) this.#window.add(task)
  }

  remove(position: Position): void {
    this.#window.delete(position)
    this.size -= 1
  }

  /** Leaves the first ones in memory, at least one; what is dropped is in the store, or will be. */
  shed(kept: number): readonly Task[] {
    const dropped = this.#window.shed(kept)
    let last: Task | undefined
    this.#window.descend(undefined, (task) => {
      last = task
      return false
    })
    this.#horizon = last && positionOf(last)
    return dropped
  }

  /**
   * Merges a page that was read after the horizon.
   *
   * @param isLast nothing is in the store beyond it
   * @param changed by seq, what has changed in batches that the page may not have seen; undefined: waits no more
   */
  merge(rows: readonly Task[], isLast: boolean, changed: ReadonlyMap<number, Task | undefined>): void {
    const after = this.#horizon ?? BEFORE_ALL
    const last = isLast ? undefined : rows.at(-1)
    const end = last && positionOf(last)
    for (const row of rows) if (!changed.has(row.seq)) this.#window.add(row)
    for (const task of changed.values()) {
      if (task === undefined || comparePositions(task, after) <= 0) continue
      if (end === undefined || comparePositions(task, end) <= 0) this.#window.add(task)
    }
    this.#horizon = end
    if (this.size < this.#window.size || (end === undefined && this.size !== this.#window.size))
      throw new Error(
        `invariant: ${this.size} tasks wait in lane ${JSON.stringify(this.name.text)}, ${this.#window.size} are in memory`,
      )
    if (this.size === this.#window.size) this.#horizon = undefined
  }
}
