/**
 * A map from operation numbers, made for runs that have one operation open at a time: most have.
 *
 * A `Map` allocates its table when it is made and again whenever its last entry goes, which for steps in sequence is once
 * per step. Here one entry lives in two fields; from the second one on a `Map` takes over, and stays.
 */
/** It has always ended. */
const NO_ENTRIES = (function* (): Generator<never, undefined> {})()
NO_ENTRIES.next()

export class OperationMap<V> implements Iterable<[number, V]> {
  private op = 0
  private only: V | undefined
  private many: Map<number, V> | undefined

  constructor(entries: Iterable<readonly [number, V]> = []) {
    for (const [op, value] of entries) this.set(op, value)
  }

  get size(): number {
    if (this.many !== undefined) return this.many.size
    return this.only === undefined ? 0 : 1
  }

  get(op: number): V | undefined {
    if (this.many !== undefined) return this.many.get(op)
    return this.op === op ? this.only : undefined
  }

  has(op: number): boolean {
    return this.get(op) !== undefined
  }

  set(op: number, value: V): void {
    if (this.many === undefined && (this.only === undefined || this.op === op)) {
      this.op = op
      this.only = value
      return
    }
    this.many ??= new Map(this)
    this.many.set(op, value)
  }

  delete(op: number): void {
    if (this.many !== undefined) this.many.delete(op)
    else if (this.op === op) this.only = undefined
  }

  /** In the order in which the operations were set. */
  [Symbol.iterator](): IterableIterator<[number, V]> {
    if (this.many !== undefined) return this.many.entries()
    if (this.only === undefined) return NO_ENTRIES
    return [[this.op, this.only] satisfies [number, V]].values()
  }

  *keys(): IterableIterator<number> {
    for (const [op] of this) yield op
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this) yield value
  }
}
