/** What administration changes, as the audit trail is told of it. */
import type { Caller } from '../../protocol/caller.ts'
import type { Resource } from './access.ts'

export interface AdministeredChange {
  /** Such as `CreateApiKey`. */
  readonly action: string
  readonly resource: Resource
  /** Ids of the policies that have permitted it; none: nobody was asked, as of what is one's own. */
  readonly policies: readonly string[]
}

/** Runs a change, which was permitted, in the name of a caller: what comes of it is recorded. */
export type RecordChange = <T>(
  caller: Caller,
  change: AdministeredChange,
  run: () => Promise<T>,
) => Promise<T>

/** Where there is no audit trail. */
export const unrecorded: RecordChange = (_, __, run) => run()
