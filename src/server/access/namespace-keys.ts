/**
 * Which API keys each namespace has, and how many bytes they are: counted as they change, so that making one costs the same
 * however many keys other namespaces have.
 */

import type { Registry, RegistryEntry } from '../../engine/registry/registry-port.ts'
import { API_KEY_KIND, apiKeyRecordOf } from './api-key-records.ts'

interface OwnKeys {
  readonly ids: Set<string>
  bytes: number
}

interface Place {
  readonly namespace: string
  readonly bytes: number
}

const NONE: ReadonlySet<string> = new Set()

export class NamespaceKeys {
  readonly #unfollow: () => void
  readonly #places = new Map<string, Place>()
  readonly #namespaces = new Map<string, OwnKeys>()

  constructor(registry: Registry) {
    for (const entry of registry.list(API_KEY_KIND)) this.#put(entry.id, entry)
    this.#unfollow = registry.follow(API_KEY_KIND, ({ id }, entry) => this.#put(id, entry))
  }

  /** @param namespace empty: of those that belong to none */
  idsOf(namespace: string): ReadonlySet<string> {
    return this.#namespaces.get(namespace)?.ids ?? NONE
  }

  /** Of their records, as JSON. */
  bytesOf(namespace: string): number {
    return this.#namespaces.get(namespace)?.bytes ?? 0
  }

  close(): void {
    this.#unfollow()
  }

  #put(id: string, entry: RegistryEntry | undefined): void {
    const before = this.#places.get(id)
    if (before !== undefined) this.#remove(id, before)
    if (entry === undefined) return
    const { namespace = '' } = apiKeyRecordOf(entry) ?? {}
    const bytes = Buffer.byteLength(JSON.stringify(entry.body))
    this.#places.set(id, { namespace, bytes })
    const own = this.#namespaces.get(namespace) ?? { ids: new Set<string>(), bytes: 0 }
    own.ids.add(id)
    own.bytes += bytes
    this.#namespaces.set(namespace, own)
  }

  #remove(id: string, { namespace, bytes }: Place): void {
    this.#places.delete(id)
    const own = this.#namespaces.get(namespace)
    if (own === undefined) return
    own.ids.delete(id)
    own.bytes -= bytes
    if (own.ids.size === 0) this.#namespaces.delete(namespace)
  }
}
