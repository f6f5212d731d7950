/** The registry of one process, without an engine: changes are in force at once. */

import type {
  OnRegistryChange,
  Registry,
  RegistryEntry,
  RegistryKey,
} from '../../src/engine/registry/registry-port.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import type { Json } from '../../src/protocol/json.ts'

export class MemoryRegistry implements Registry {
  readonly #entries = new Map<string, RegistryEntry>()
  readonly #revisions = new Map<string, number>()
  readonly #followers = new Map<string, Set<OnRegistryChange>>()
  puts = 0

  get(kind: string, namespace: string, id: string): RegistryEntry | undefined {
    return this.#entries.get(placeOf({ kind, namespace, id }))
  }

  list(kind: string, namespace?: string): readonly RegistryEntry[] {
    return [...this.#entries.values()].filter(
      (entry) => entry.kind === kind && (namespace === undefined || entry.namespace === namespace),
    )
  }

  async put(
    key: RegistryKey,
    body: Json | undefined,
    { ifRevision }: { readonly ifRevision?: number } = {},
  ): Promise<RegistryEntry | undefined> {
    await Promise.resolve()
    const place = placeOf(key)
    const now = this.#entries.get(place)?.revision ?? 0
    if (ifRevision !== undefined && ifRevision !== now)
      throw new PerdureError('REVISION_CONFLICT', `${place} has revision ${now}`)
    const revision = (this.#revisions.get(place) ?? 0) + 1
    this.#revisions.set(place, revision)
    this.puts += 1
    const entry = body === undefined ? undefined : { ...key, revision, body, changedMs: Date.now() }
    if (entry === undefined) this.#entries.delete(place)
    else this.#entries.set(place, entry)
    for (const call of this.#followers.get(key.kind) ?? []) call(key, entry)
    return entry
  }

  follow(kind: string, onChange: OnRegistryChange): () => void {
    const followers = this.#followers.get(kind) ?? new Set<OnRegistryChange>()
    this.#followers.set(kind, followers.add(onChange))
    return () => void followers.delete(onChange)
  }
}

function placeOf({ kind, namespace, id }: RegistryKey): string {
  return JSON.stringify([kind, namespace, id])
}
