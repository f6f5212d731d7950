/**
 * Where data keys are kept, wrapped: outside of the engine and its database, reached by whoever reads and writes payloads.
 * What makes it worth having: a data key that is destroyed here makes unreadable what it encrypted, wherever that is.
 *
 * Each namespace has a key of its own (scope ''), wrapped by the key service. It wraps the data keys of the namespace.
 */

export interface StoredDataKey {
  readonly namespace: string
  /** '' is the key of the namespace. One scope has one key at a time. */
  readonly scope: string
  /** ULID. */
  readonly id: string
  /** Of the key that wrapped it. */
  readonly wrappedBy: string
  readonly wrapped: Uint8Array
}

/** `destroyedMs`: when its key was destroyed, ms since 1970. */
export type FoundDataKey = StoredDataKey | { readonly id: string; readonly destroyedMs: number }

/** What to destroy: the key of one scope, or all keys of the namespace. */
export interface KeySelection {
  readonly namespace: string
  readonly scope?: string
}

export interface DataKeyStore {
  /**
   * Adds the keys whose scope has none, durably, in one commit; answers what each scope has now. Several processes may do so at
   * the same time, and get the same answer. A key that was wrapped by a key of this store that is destroyed is not added, and one that
   * is there is destroyed with it: nobody can unwrap it. Undefined: the scope has none for that.
   */
  claim(candidates: readonly StoredDataKey[]): Promise<readonly (StoredDataKey | undefined)[]>
  /** By their ids; undefined: there is no such key. */
  find(namespace: string, ids: readonly string[]): Promise<readonly (FoundDataKey | undefined)[]>
  /** Keys of namespaces, for wrapping them anew. */
  namespaceKeys(): Promise<readonly StoredDataKey[]>
  /** The same key, wrapped by another one. False: it is not there any more, or was wrapped anew meanwhile. */
  replaceWrapped(key: StoredDataKey, wrappedBy: string, wrapped: Uint8Array): Promise<boolean>
  /** Overwrites the wrapped keys; that there were some stays. Answers how many. */
  destroy(selection: KeySelection, nowMs: number): Promise<number>
  close(): Promise<void>
}
