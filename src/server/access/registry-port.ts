/** Administrative objects, as access needs them: what the engine's registry gives. */
import type { Json } from '../../protocol/json.ts'

export interface RegistryKey {
  readonly kind: string
  /** `''`: it belongs to no namespace. */
  readonly namespace: string
  readonly id: string
}

export interface RegistryEntry extends RegistryKey {
  readonly revision: number
  readonly body: Json
  readonly changedMs: number
}

export interface RegistryPort {
  get(kind: string, namespace: string, id: string): RegistryEntry | undefined
  list(kind: string, namespace?: string): readonly RegistryEntry[]
  /** Durable, and in force on this node, when it resolves. `undefined` deletes. @throws PerdureError `REVISION_CONFLICT` */
  put(
    key: RegistryKey,
    body: Json | undefined,
    options?: { readonly ifRevision?: number },
  ): Promise<RegistryEntry | undefined>
  /** Calls after each change of this kind, also those that other nodes have made. */
  follow(kind: string, onChange: () => void): () => void
}
