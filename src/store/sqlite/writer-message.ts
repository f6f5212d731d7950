/** What goes between a store and its writer thread. Replies come in the order of the requests. */
import type { CommitOutcome } from '../contract/batch.ts'
import type { NodeIdentity, Session } from '../contract/rows.ts'
import type { BatchMessage } from './batch-message.ts'
import type { StoreFailure } from './sqlite-error.ts'

export interface WriterData {
  readonly file: string
  readonly synchronous: 'full' | 'normal'
}

export interface Registration {
  readonly session: Session
  readonly clockFloorMs: number
}

export type WriterRequest =
  | { readonly kind: 'commit'; readonly batch: BatchMessage }
  | { readonly kind: 'register'; readonly node: NodeIdentity }
  | { readonly kind: 'fence'; readonly session: Session; readonly atMs: number }
  | { readonly kind: 'close' }

export interface WriterReply {
  readonly result?: CommitOutcome | Registration | undefined
  readonly failure?: (StoreFailure & { readonly cause: unknown }) | undefined
}
