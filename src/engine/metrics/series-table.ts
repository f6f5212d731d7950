/**
 * What is observed of one thing, such as a workflow or a task of a queue: looked up by its names, made once, and kept.
 * Names come from users, so their number is bounded: beyond it all share what is called `other`.
 */
import { OTHER } from '../../platform/metrics.ts'

export class SeriesTable<Names extends readonly string[], Found> {
  readonly #most: number
  readonly #make: (...names: Names) => Found
  readonly #root = new Map<string, unknown>()
  #size = 0
  #other: Found | undefined

  constructor(most: number, make: (...names: Names) => Found) {
    this.#most = most
    this.#make = make
  }

  of(...names: Names): Found {
    const last = names.length - 1
    // A map for each name but the last one: no text has to be made to look it up.
    let level = this.#root
    for (let place = 0; place < last; place++) {
      const known = level.get(names[place] ?? '') as Map<string, unknown> | undefined
      if (known === undefined) return this.#add(names)
      level = known
    }
    return (level.get(names[last] ?? '') as Found | undefined) ?? this.#add(names)
  }

  #add(names: Names): Found {
    if (this.#size >= this.#most) {
      // The one cast: as many names as there are.
      this.#other ??= this.#make(...(names.map(() => OTHER) as unknown as Names))
      return this.#other
    }
    this.#size += 1
    let level = this.#root
    for (const name of names.slice(0, -1)) {
      const known = level.get(name) as Map<string, unknown> | undefined
      const next = known ?? new Map<string, unknown>()
      if (known === undefined) level.set(name, next)
      level = next
    }
    const made = this.#make(...names)
    level.set(names.at(-1) ?? '', made)
    return made
  }
}
