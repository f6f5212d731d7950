/**
 * Administrative objects (API keys, roles, policies, namespaces, …): one row each, written whole. The row of one that was deleted
 * stays, without its body, so that its revision is never given again.
 */

export interface RegistryKey {
  /** What it is, e.g. `api-key`. */
  readonly kind: string
  /** Empty for what belongs to no namespace. */
  readonly namespace: string
  readonly id: string
}

export interface RegistryRow extends RegistryKey {
  /** Rises by one with each change, deletions too: 1, 2, 3, … */
  readonly revision: number
  /** JSON, never empty; null: it was deleted. */
  readonly body: string | null
  /** Engine time of the change. Never below that of any change before it, whichever row that was of. */
  readonly changedMs: number
  /** Id of the request that made the revision: whoever asks again finds it done. */
  readonly request: string
}

export interface RegistryQuery {
  /** Only those that were changed at this time or later. */
  readonly changedFromMs?: number
  /** Only those after it, in order of (kind, namespace, id). */
  readonly after?: RegistryKey
  readonly limit: number
}

/** Differs whenever rows differ: number and sum never fall, and one of them rises with each change. */
export interface RegistryMark {
  /** Rows, those of deleted ones included. */
  readonly count: number
  /** Sum of the revisions of all rows. */
  readonly revisions: number
  /** Time of the newest change: tells a database apart that has lost some. 0: there is none. */
  readonly changedMs: number
}

export interface RegistryReads {
  /** In order of (kind, namespace, id), which is that of their UTF-8 bytes. */
  registryRows(query: RegistryQuery): Promise<readonly RegistryRow[]>
  registryMark(): Promise<RegistryMark>
}
