/**
 * The registry: administrative objects such as API keys, roles, policies and namespaces. Few, small, changed now and then, and
 * asked for all the time: each node has all of them in memory.
 */
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { isJson, type Json } from '../../protocol/json.ts'
import type { RegistryKey } from '../../store/contract/registry-rows.ts'

export type { RegistryKey } from '../../store/contract/registry-rows.ts'

export interface RegistryEntry extends RegistryKey {
  /** Rises by one with each change, also over deletions. */
  readonly revision: number
  readonly body: Json
  /** Engine time of the change, ms since 1970. */
  readonly changedMs: number
}

export interface RegistryPutOptions {
  /** Put only if the object has this revision now. 0: only if there is none. Default: whatever there is. */
  readonly ifRevision?: number | undefined
  /** Also where there is no room left: for what takes access away, and makes the object a little larger. */
  readonly always?: true
}

/** Told of each change that is in force on this node; without an entry it was deleted. */
export type OnRegistryChange = (key: RegistryKey, entry: RegistryEntry | undefined) => void

export interface Registry {
  get(kind: string, namespace: string, id: string): RegistryEntry | undefined
  /** In order of namespace and id. Default: of all namespaces. */
  list(kind: string, namespace?: string): readonly RegistryEntry[]
  /**
   * Writes the object, or deletes it if there is no body. Resolves when the change is durable and in force on this node; on the
   * others it is within a second. `namespace` is empty for what belongs to none.
   *
   * Errors: `REVISION_CONFLICT`, `ARGUMENT_INVALID`, `ID_INVALID`, `QUOTA_EXCEEDED`; `UNCOMMITTED` and `OVERLOADED`, after
   * which it can be tried again.
   */
  put(
    key: RegistryKey,
    body: Json | undefined,
    options?: RegistryPutOptions,
  ): Promise<RegistryEntry | undefined>
  /** Also told of all that there is when the engine opens. Answers how to end it. */
  follow(kind: string, onChange: OnRegistryChange): () => void
}

/** Bounds of what is in memory of every node. */
export interface RegistryLimits {
  /** Objects. Default 100,000. */
  readonly entries: number
  /** Objects, deleted ones included, whose revisions are kept. Default 1,000,000. */
  readonly rows: number
  /** Of one object, as JSON in UTF-8. Default 64 KiB. */
  readonly entryBytes: number
  /** Of all of them. Default 64 MiB. */
  readonly totalBytes: number
}

export const REGISTRY_LIMITS: RegistryLimits = {
  entries: 100_000,
  rows: 1_000_000,
  entryBytes: 64 * 1024,
  totalBytes: 64 * 1024 * 1024,
}

/** A change on its way to the owner of the registry. */
export interface RegistryChange extends RegistryKey {
  /** JSON; null deletes. */
  readonly body: string | null
  readonly ifRevision?: number
  readonly always?: true
  /** Of this change alone: if it is asked again, it is not done twice. */
  readonly request: string
}

/** What became of it. */
export interface RegistryReply {
  readonly revision: number
  readonly changedMs: number
  /** False: there was nothing to delete. */
  readonly isChanged: boolean
}

const KIND = /^[a-z][a-z0-9-]{0,63}$/

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID` */
export function checkedChange(
  { kind, namespace, id }: RegistryKey,
  body: Json | undefined,
  { ifRevision, always }: RegistryPutOptions,
  { request, entryBytes }: { readonly request: string; readonly entryBytes: number },
): RegistryChange {
  if (!KIND.test(kind))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `the kind of an administrative object is '${kind}', not lower-case letters, digits and '-', at most 64`,
    )
  if (namespace !== '') checkedName(namespace, 'the namespace')
  checkedName(id, `the id of a ${kind}`)
  if (ifRevision !== undefined && !(Number.isSafeInteger(ifRevision) && ifRevision >= 0))
    throw new PerdureError('ARGUMENT_INVALID', `ifRevision is ${ifRevision}, not a whole number of 0 or more`)
  const text = textOf(kind, body, entryBytes)
  const change = { kind, namespace, id, body: text, request, ...(always === true ? { always } : {}) }
  return ifRevision === undefined ? change : { ...change, ifRevision }
}

function textOf(kind: string, body: Json | undefined, entryBytes: number): string | null {
  if (body === undefined) return null
  if (!isJson(body)) throw new PerdureError('ARGUMENT_INVALID', `the body of a ${kind} is no JSON value`)
  const text = JSON.stringify(body)
  const bytes = Buffer.byteLength(text)
  if (bytes > entryBytes)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `a ${kind} of ${bytes} bytes is too large: at most ${entryBytes}`,
    )
  return text
}
