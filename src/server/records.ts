/** Administrative objects of one kind, in namespaces: made, read, changed and deleted by name. */
import { checkedName } from '../protocol/checked-text.ts'
import { PerdureError } from '../protocol/errors.ts'
import type { Json } from '../protocol/json.ts'
import type { RegistryItem, RegistryWrites } from './registry-reads.ts'

export interface RecordKind<T> {
  readonly kind: string
  /** For people: `webhook`. */
  readonly name: string
  /** Of a namespace, at most. */
  readonly most: number
  /** @throws PerdureError if the value is none of this kind */
  readonly checked: (value: unknown) => T
}

export interface StoredRecord<T> {
  readonly id: string
  readonly revision: number
  readonly changedMs: number
  readonly value: T
}

export class Records<T> {
  readonly #kind: RecordKind<T>
  readonly #registry: RegistryWrites

  constructor(registry: RegistryWrites, kind: RecordKind<T>) {
    this.#registry = registry
    this.#kind = kind
  }

  /** In the order of their ids. */
  list(namespace: string): readonly StoredRecord<T>[] {
    return this.#registry
      .list(this.#kind.kind, namespace)
      .map(recordOf<T>)
      .sort(byId)
  }

  /** @throws PerdureError `RECORD_NOT_FOUND` */
  get(namespace: string, id: string): StoredRecord<T> {
    const found = this.#registry.get(this.#kind.kind, namespace, id)
    if (found === undefined) throw this.#missing(namespace, id)
    return recordOf(found)
  }

  /** @throws PerdureError `RECORD_EXISTS`, `QUOTA_EXCEEDED`, and what is wrong with the value */
  async create(namespace: string, id: string, value: unknown): Promise<StoredRecord<T>> {
    const { kind, name, most } = this.#kind
    const one = `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
    checkedName(id, `the id of ${one}`)
    const checked = this.#kind.checked(value)
    const exists = new PerdureError('RECORD_EXISTS', `there is ${one} ${id} in namespace ${namespace}`)
    if (this.#registry.get(kind, namespace, id) !== undefined) throw exists
    if (this.#registry.list(kind, namespace).length >= most)
      throw new PerdureError('QUOTA_EXCEEDED', `namespace ${namespace} has ${most} of its kind: ${name}`)
    try {
      return await this.#put(namespace, id, checked, 0)
    } catch (error) {
      // Somebody was faster, on another node.
      if (error instanceof PerdureError && error.code === 'REVISION_CONFLICT') throw exists
      throw error
    }
  }

  /**
   * The whole value anew.
   *
   * @throws PerdureError `RECORD_NOT_FOUND`, `REVISION_CONFLICT`, and what is wrong with the value
   */
  async replace(
    namespace: string,
    id: string,
    change: (value: T) => unknown,
    ifRevision?: number,
  ): Promise<StoredRecord<T>> {
    const { revision, value } = this.get(namespace, id)
    return this.#put(namespace, id, this.#kind.checked(change(value)), ifRevision ?? revision)
  }

  /** @throws PerdureError `RECORD_NOT_FOUND`, `REVISION_CONFLICT` */
  async delete(namespace: string, id: string, ifRevision?: number): Promise<void> {
    this.get(namespace, id)
    const { kind } = this.#kind
    await this.#registry.put(
      { kind, namespace, id },
      undefined,
      ifRevision === undefined ? {} : { ifRevision },
    )
  }

  async #put(namespace: string, id: string, value: T, ifRevision: number): Promise<StoredRecord<T>> {
    const { kind } = this.#kind
    // The one cast: what was checked is JSON.
    const put = await this.#registry.put({ kind, namespace, id }, value as Json, { ifRevision })
    if (put === undefined) throw this.#missing(namespace, id)
    return recordOf(put)
  }

  #missing(namespace: string, id: string): PerdureError {
    return new PerdureError(
      'RECORD_NOT_FOUND',
      `there is no ${this.#kind.name} ${id} in namespace ${namespace}`,
    )
  }
}

function recordOf<T>({ id, revision, changedMs, body }: RegistryItem): StoredRecord<T> {
  // What is in the registry was checked when it was put there.
  return { id, revision, changedMs, value: body as T }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1
}
