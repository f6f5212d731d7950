/**
 * The envelope of an encrypted payload, and what it is bound to. Frozen; docs/encryption.md has it byte for byte.
 *
 * `[1, "aes-256-gcm", keyId, { id, purpose, sealed, owner?, key? }]`. What is encrypted is the JSON of another payload, in
 * UTF-8. The tag covers where the payload belongs (namespace, owner, purpose, its own id, its key), so that one that was put
 * somewhere else cannot be read there.
 */
import { PerdureError } from './errors.ts'
import type { Json } from './json.ts'
import type { Payload } from './payload.ts'

export const ENCRYPTED_CODEC = 'aes-256-gcm'

/** What a payload is to the execution, task or schedule that it belongs to. */
export type PayloadPurpose =
  | 'input'
  | 'result'
  | 'step-result'
  | 'signal'
  | 'query'
  | 'query-result'
  | 'update'
  | 'update-result'
  /** Of a task that an execution has asked for. */
  | 'task-input'
  | 'task-result'
  | 'task-checkpoint'
  /** Of a task without an execution. */
  | 'own-task-input'
  | 'own-task-result'
  | 'own-task-checkpoint'
  | 'own-task-failure'
  /** Bound to the name of the task: which of them takes it is decided later. */
  | 'debounced-input'
  /** Bound to the prefix of the ids of the executions that it is for: those are made later. */
  | 'schedule-input'
  | 'human-data'
  | 'human-result'
  | 'failure'

/** Where a payload belongs. */
export interface PayloadPlace {
  readonly namespace: string
  /** Workflow id; of a task without an execution its id; see the purposes for the others. */
  readonly owner: string
  readonly purpose: PayloadPurpose
  /** Another purpose that may stand here too; its owner is in the payload. */
  readonly or?: { readonly purpose: PayloadPurpose; readonly isOwner: (declared: string) => boolean }
}

/** A data key, as payloads carry it if there is no store of data keys. */
export interface CarriedKey {
  /** Id of the key that wrapped it. */
  readonly by: string
  /** base64. */
  readonly wrapped: string
}

export interface EncryptedData {
  /** ULID. */
  readonly id: string
  readonly purpose: string
  /** base64 of IV (12 bytes), ciphertext and tag (16 bytes). */
  readonly sealed: string
  /** Only if whoever reads it cannot know it: `debounced-input` and `schedule-input`. */
  readonly owner?: string
  /** Absent: the data key is in the store of data keys. */
  readonly key?: CarriedKey
}

/** An encrypted payload takes up to so many bytes more than what is in it, beside the 4 for 3 of base64. */
export const ENVELOPE_BYTES_MAX = 2048

/** A program that has the key could read it. What was changed, or is from elsewhere, no program can. */
export class MissingKeyError extends PerdureError {
  constructor(detail: string, options?: { readonly cause?: unknown }) {
    super('PAYLOAD_UNREADABLE', detail, options)
  }
}

/** It is not there to be read, here or anywhere; another try gives the same. */
export function isUnreadable(error: unknown): error is PerdureError {
  return (
    error instanceof PerdureError &&
    (error.code === 'PAYLOAD_UNREADABLE' || error.code === 'PAYLOAD_SHREDDED')
  )
}

export function isEncrypted(payload: Payload): boolean {
  return payload[1] === ENCRYPTED_CODEC
}

/** @throws PerdureError `PAYLOAD_UNREADABLE` */
export function encryptedDataOf([format, codec, keyId, data]: Payload): EncryptedData & {
  readonly keyId: string
} {
  const found = data as Readonly<Record<string, Json | undefined>> | null
  if (
    format !== 1 ||
    codec !== ENCRYPTED_CODEC ||
    keyId === null ||
    typeof found !== 'object' ||
    found === null
  )
    throw new PerdureError('PAYLOAD_UNREADABLE', `a payload of codec ${codec} is not an encrypted one`)
  const { id, purpose, sealed, owner, key } = found
  if (typeof id !== 'string' || typeof purpose !== 'string' || typeof sealed !== 'string')
    throw new PerdureError('PAYLOAD_UNREADABLE', 'an encrypted payload lacks a part of its envelope')
  return {
    keyId,
    id,
    purpose,
    sealed,
    ...(typeof owner === 'string' ? { owner } : {}),
    ...(key === undefined ? {} : { key: carriedKey(key) }),
  }
}

function carriedKey(key: Json): CarriedKey {
  const { by, wrapped } = (key ?? {}) as Readonly<Record<string, Json | undefined>>
  if (typeof by !== 'string' || typeof wrapped !== 'string')
    throw new PerdureError('PAYLOAD_UNREADABLE', 'an encrypted payload has a data key that is none')
  return { by, wrapped }
}

/** For people, where it cannot be or is not to be decrypted. */
export function encryptedText(payload: Payload): string {
  return `<encrypted, key ${payload[2]}>`
}

const SCOPES: { readonly [P in PayloadPurpose]?: string } = {
  'own-task-input': 'task',
  'own-task-result': 'task',
  'own-task-checkpoint': 'task',
  'own-task-failure': 'task',
  'debounced-input': 'tasks',
  'schedule-input': 'schedule',
}

/** What shares a data key: an execution with all of its runs, a task without one, the debounced inputs of a task, a schedule. */
export function keyScopeOf(purpose: PayloadPurpose, owner: string): string {
  return `${SCOPES[purpose] ?? 'execution'}:${owner}`
}
