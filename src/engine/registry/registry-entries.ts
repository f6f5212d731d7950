/**
 * All administrative objects, in memory: what is known to be durable.
 *
 * 1. A row takes the place of one with a lower revision only, in whatever order they come.
 * 2. Rows of deleted objects are known too: `mark` is that of the store if and only if nothing is missing.
 */
import type { Json } from '../../protocol/json.ts'
import type { RegistryKey, RegistryMark, RegistryRow } from '../../store/contract/registry-rows.ts'
import type { OnRegistryChange, RegistryEntry } from './registry-port.ts'

/** A row without its text, which is parsed. */
export interface KnownRow extends RegistryKey {
  readonly revision: number
  readonly changedMs: number
  readonly request: string
  /** Of the body, as JSON. */
  readonly bytes: number
  /** False: it was deleted. */
  readonly isLiving: boolean
}

export class RegistryEntries {
  readonly #rows = new Map<string, KnownRow>()
  /** Living objects by kind, and by namespace and id. */
  readonly #kinds = new Map<string, Map<string, RegistryEntry>>()
  /** Lists that were asked for, until the next change of their kind. */
  readonly #lists = new Map<string, readonly RegistryEntry[]>()
  readonly #followers = new Map<string, Set<OnRegistryChange>>()
  readonly #onError: (error: unknown) => void
  #revisions = 0
  #changedMs = 0
  #bytes = 0
  #living = 0
  /** Rows that have come while all of them are read: they may be newer than what was read. */
  #touched: Set<string> | undefined

  /** @param onError a follower has thrown */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  get mark(): RegistryMark {
    return { count: this.#rows.size, revisions: this.#revisions, changedMs: this.#changedMs }
  }

  /** Objects that are not deleted. */
  get living(): number {
    return this.#living
  }

  /** Of the bodies of all of them, as JSON. */
  get bytes(): number {
    return this.#bytes
  }

  row(key: RegistryKey): KnownRow | undefined {
    return this.rowAt(rowText(key))
  }

  /** By the text of its key. */
  rowAt(text: string): KnownRow | undefined {
    return this.#rows.get(text)
  }

  get(kind: string, namespace: string, id: string): RegistryEntry | undefined {
    return this.#kinds.get(kind)?.get(entryText(namespace, id))
  }

  list(kind: string, namespace?: string): readonly RegistryEntry[] {
    let all = this.#lists.get(kind)
    if (all === undefined) {
      all = [...(this.#kinds.get(kind)?.values() ?? [])].sort(inOrder)
      this.#lists.set(kind, all)
    }
    return namespace === undefined ? all : all.filter((entry) => entry.namespace === namespace)
  }

  follow(kind: string, onChange: OnRegistryChange): () => void {
    const followers = this.#followers.get(kind) ?? new Set()
    this.#followers.set(kind, followers)
    // The same function may follow twice.
    const follower: OnRegistryChange = (key, entry) => onChange(key, entry)
    followers.add(follower)
    return () => void followers.delete(follower)
  }

  /** A row that is durable. Answers the object as that row has it, also if there is a newer one by now. */
  merge(row: RegistryRow): RegistryEntry | undefined {
    const text = rowText(row)
    this.#touched?.add(text)
    const known = this.#rows.get(text)
    const entry = entryOf(row)
    if (known === undefined || known.revision < row.revision) this.#put(text, row, entry)
    return entry
  }

  /** All rows are about to be read; what is merged meanwhile stays. */
  beginReplacing(): void {
    this.#touched = new Set()
  }

  /** These are all rows, also where that takes something back: a database may have lost some. */
  replace(rows: readonly RegistryRow[]): void {
    const touched = this.#touched ?? new Set<string>()
    this.#touched = undefined
    const gone = new Map(this.#rows)
    for (const row of rows) {
      const text = rowText(row)
      const known = gone.get(text)
      gone.delete(text)
      if (known !== undefined && (touched.has(text) ? known.revision >= row.revision : isSame(known, row)))
        continue
      this.#put(text, row, entryOf(row))
    }
    for (const [text, known] of gone) if (!touched.has(text)) this.#remove(text, known)
    this.#changedMs = 0
    for (const { changedMs } of this.#rows.values()) this.#changedMs = Math.max(this.#changedMs, changedMs)
  }

  #put(text: string, row: RegistryRow, entry: RegistryEntry | undefined): void {
    const { kind, namespace, id, revision, changedMs, request, body } = row
    const key = { kind, namespace, id }
    const bytes = body === null ? 0 : Buffer.byteLength(body)
    this.#count(this.#rows.get(text), -1)
    const known = { ...key, revision, changedMs, request, bytes, isLiving: entry !== undefined }
    this.#rows.set(text, known)
    this.#count(known, 1)
    this.#changedMs = Math.max(this.#changedMs, changedMs)
    this.#show(key, entry)
  }

  #remove(text: string, known: KnownRow): void {
    const { kind, namespace, id } = known
    this.#rows.delete(text)
    this.#count(known, -1)
    this.#show({ kind, namespace, id }, undefined)
  }

  #count(row: KnownRow | undefined, by: 1 | -1): void {
    if (row === undefined) return
    this.#revisions += by * row.revision
    this.#bytes += by * row.bytes
    if (row.isLiving) this.#living += by
  }

  #show(key: RegistryKey, entry: RegistryEntry | undefined): void {
    const { kind, namespace, id } = key
    const entries = this.#kinds.get(kind) ?? new Map<string, RegistryEntry>()
    this.#kinds.set(kind, entries)
    const text = entryText(namespace, id)
    if (entry !== undefined) entries.set(text, entry)
    else if (!entries.delete(text)) return
    this.#lists.delete(kind)
    for (const follower of [...(this.#followers.get(kind) ?? [])]) {
      try {
        follower(key, entry)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}

export function rowText({ kind, namespace, id }: RegistryKey): string {
  return `${kind}\0${namespace}\0${id}`
}

function entryText(namespace: string, id: string): string {
  return `${namespace}\0${id}`
}

function entryOf({ kind, namespace, id, revision, body, changedMs }: RegistryRow): RegistryEntry | undefined {
  if (body === null) return undefined
  return { kind, namespace, id, revision, body: frozen(JSON.parse(body) as Json), changedMs }
}

function isSame(known: KnownRow, row: RegistryRow): boolean {
  return known.revision === row.revision && known.request === row.request
}

function inOrder(a: RegistryEntry, b: RegistryEntry): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  return a.id < b.id ? -1 : 1
}

/** Everybody who asks gets the same object. */
function frozen(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  for (const each of Object.values(value)) frozen(each)
  return Object.freeze(value)
}
