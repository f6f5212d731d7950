/** What a test of a store gets: an open store on data of its own. */
import type { Session } from '../../src/store/contract/rows.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { BatchRows } from './store-rows.ts'

/** Data of its own, which outlives the stores opened on it. One store is open at a time. */
export interface StoreFixture {
  open(): Store | Promise<Store>
  remove(): void | Promise<void>
}

export interface StoreTest {
  readonly fixture: StoreFixture
  readonly store: Store
  readonly session: Session
  /** Commits rows with the next number, which must succeed. */
  write(rows: BatchRows, atMs?: number): Promise<void>
}

export type DefineTest = (title: string, run: (t: StoreTest) => Promise<void>) => void

export type CreateFixture = () => StoreFixture | Promise<StoreFixture>
