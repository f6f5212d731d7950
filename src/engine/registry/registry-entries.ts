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

/** Lists are made when they are asked for, and kept until the next change. */
interface NamespaceEntries {
  readonly entries: Map<string, RegistryEntry>
  list: readonly RegistryEntry[] | undefined
}

interface KindEntries {
  readonly namespaces: Map<string, NamespaceEntries>
  list: readonly RegistryEntry[] | undefined
}

const NONE: readonly RegistryEntry[] = []

export class RegistryEntries {
  readonly #rows = new Map<string, KnownRow>()
  /** Living objects by kind: what is asked of a namespace costs what it has, whatever the others have. */
  readonly #kinds = new Map<string, KindEntries>()
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
    return this.#kinds.get(kind)?.namespaces.get(namespace)?.entries.get(id)
  }

  list(kind: string, namespace?: string): readonly RegistryEntry[] {
    const of = this.#kinds.get(kind)
    if (of === undefined) return NONE
    if (namespace !== undefined) {
      const within = of.namespaces.get(namespace)
      return within === undefined ? NONE : listOf(within)
    }
    of.list ??= [...of.namespaces]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, within]) => listOf(within))
    return of.list
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
    const of = this.#kinds.get(kind) ?? { namespaces: new Map<string, NamespaceEntries>(), list: undefined }
    this.#kinds.set(kind, of)
    const within = of.namespaces.get(namespace) ?? {
      entries: new Map<string, RegistryEntry>(),
      list: undefined,
    }
    if (entry !== undefined) {
      within.entries.set(id, entry)
      of.namespaces.set(namespace, within)
    } else if (!within.entries.delete(id)) return
    else if (within.entries.size === 0) of.namespaces.delete(namespace)
    within.list = undefined
    of.list = undefined
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

function listOf(within: NamespaceEntries): readonly RegistryEntry[] {
  within.list ??= [...within.entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  return within.list
}

function entryOf({ kind, namespace, id, revision, body, changedMs }: RegistryRow): RegistryEntry | undefined {
  if (body === null) return undefined
  return { kind, namespace, id, revision, body: frozen(JSON.parse(body) as Json), changedMs }
}

function isSame(known: KnownRow, row: RegistryRow): boolean {
  return known.revision === row.revision && known.request === row.request
}

/** Everybody who asks gets the same object. */
function frozen(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  for (const each of Object.values(value)) frozen(each)
  return Object.freeze(value)
}
