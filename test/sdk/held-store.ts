/** A memory store whose answers to commits can be held back; the commits have taken effect. */
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'

export interface HeldStore {
  readonly store: Store
  readonly state: MemoryState
  /** Answers wait from now on. */
  hold(): void
  /** Resolves when an answer waits. */
  held(): Promise<void>
  /** Gives the answers that wait, at once, and those that come. */
  release(): void
}

export function heldStore(state = new MemoryState()): HeldStore {
  const inner = createMemoryStore(state)
  let isHolding = false
  let waiting: (() => void)[] = []
  const commit: Store['commit'] = (batch) => {
    const committed = inner.commit(batch)
    if (!isHolding) return committed
    return new Promise((resolve, reject) => {
      committed.then((outcome) => void waiting.push(() => resolve(outcome)), reject)
    })
  }
  return {
    store: Object.assign(Object.create(inner), { commit }),
    state,
    hold: () => {
      isHolding = true
    },
    held: async () => {
      while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    },
    release: () => {
      isHolding = false
      const released = waiting
      waiting = []
      for (const go of released) go()
    },
  }
}
