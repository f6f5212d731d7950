/** What servers look up, and change, of administrative objects. */
import type { Json } from '../protocol/json.ts'

export interface RegistryItem {
  readonly id: string
  /** Rises with each change. */
  readonly revision: number
  readonly body: Json
  /** ms since 1970. */
  readonly changedMs: number
}

/** In memory. */
export interface RegistryReads {
  get(kind: string, namespace: string, id: string): RegistryItem | undefined
  list(kind: string, namespace?: string): readonly RegistryItem[]
}

export interface RegistryWrites extends RegistryReads {
  /**
   * Resolves when it is durable, and in force on this node.
   *
   * Errors: `REVISION_CONFLICT`
   */
  put(
    target: { readonly kind: string; readonly namespace: string; readonly id: string },
    body: Json | undefined,
    options: { readonly ifRevision?: number },
  ): Promise<RegistryItem | undefined>
}
