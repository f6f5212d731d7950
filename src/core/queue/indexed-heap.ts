/** A binary heap whose items know their place in it, so that any of them can be moved or removed in O(log n). */

export interface HeapItem {
  /** Place in the heap; -1 outside. Only the heap writes it. */
  heapIndex: number
}

export class IndexedHeap<Item extends HeapItem> {
  readonly #isBefore: (a: Item, b: Item) => boolean
  readonly #items: Item[] = []

  constructor(isBefore: (a: Item, b: Item) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#items.length
  }

  get first(): Item | undefined {
    return this.#items[0]
  }

  /** Adds the item, or moves it to where its changed order puts it. */
  put(item: Item): void {
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length
      this.#items.push(item)
      this.#rise(item)
    } else if (!this.#rise(item)) this.#sink(item)
  }

  /** Nothing happens if it is not in the heap. */
  remove(item: Item): void {
    const index = item.heapIndex
    if (index < 0) return
    const last = this.#items.pop() as Item
    item.heapIndex = -1
    if (last === item) return
    this.#set(index, last)
    if (!this.#rise(last)) this.#sink(last)
  }

  #rise(item: Item): boolean {
    const from = item.heapIndex
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#items[parentIndex] as Item
      if (!this.#isBefore(item, parent)) break
      this.#set(index, parent)
      index = parentIndex
    }
    if (index !== from) this.#set(index, item)
    return index !== from
  }

  #sink(item: Item): void {
    const size = this.#items.length
    let index = item.heapIndex
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= size) break
      const right = this.#items[childIndex + 1]
      if (right !== undefined && this.#isBefore(right, this.#items[childIndex] as Item)) childIndex += 1
      const child = this.#items[childIndex] as Item
      if (!this.#isBefore(child, item)) break
      this.#set(index, child)
      index = childIndex
    }
    this.#set(index, item)
  }

  #set(index: number, item: Item): void {
    this.#items[index] = item
    item.heapIndex = index
  }
}
