/** A memory store whose commits can be held back before they take effect. */
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'

export interface HeldStore {
  readonly store: Store
  readonly state: MemoryState
  /** Commits wait from now on. */
  hold(): void
  /** Resolves when a commit waits. */
  held(): Promise<void>
  /** Lets the waiting commits go on, and those that come. */
  release(): void
}

export function heldStore(state = new MemoryState()): HeldStore {
  const inner = createMemoryStore(state)
  let isHolding = false
  let waiting: (() => void)[] = []
  const commit: Store['commit'] = async (batch) => {
    if (isHolding) await new Promise<void>((resolve) => void waiting.push(resolve))
    return inner.commit(batch)
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
