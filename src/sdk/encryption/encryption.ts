/// <reference lib="esnext.disposable" preserve="true" />
/** Encryption of payloads, as a program sets it up: which keys, and where data keys are. */
import type { DataKeyStore } from '../../platform/encryption/data-key-store.ts'
import type { KeyFileSettings } from '../../platform/encryption/key-files.ts'
import type { KeyService } from '../../platform/encryption/key-service.ts'
import type { Duration } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { PayloadCodec } from './payload-codec.ts'

export interface EncryptionSettings {
  /** RSA keys in files, or a key management service. */
  readonly keys: KeyFileSettings | KeyService
  /**
   * Where data keys are kept: `'sqlite:PATH'`, `'postgres://USER@HOST:PORT/DATABASE'`, or a store of your own; all programs that
   * read each other's payloads have the same. Then each execution has a data key of its own, and `shred` can destroy it. Default:
   * payloads carry their data key, wrapped, and nothing can be shredded.
   */
  readonly dataKeys?: string | DataKeyStore
  /** Message, stack and cause of errors that user code throws are encrypted too. Default true. */
  readonly failures?: boolean
  /**
   * What becomes of payloads that are not encrypted: `'refuse'`, or `'accept'` while programs begin to encrypt. Default `'refuse'`.
   */
  readonly plaintext?: 'refuse' | 'accept'
  /** How long data keys are remembered: a key that was destroyed elsewhere may be used for so long. Default `'5m'`. */
  readonly rememberFor?: Duration
}

/** What shares a data key. */
export interface ShredTarget {
  readonly namespace?: string
  /** An execution with all of its runs. */
  readonly workflowId?: string
  /** A task without an execution. */
  readonly taskId?: string
  /** The debounced inputs of tasks of this name. */
  readonly debouncedTask?: string
  /** The input of a schedule: the prefix of its workflow ids, which is the id of the schedule if it was not given. */
  readonly schedulePrefix?: string
  /** All of the namespace. */
  readonly wholeNamespace?: true
}

/** For `createEngine`, `createWorker` and `connect`; one may serve several of them. */
export interface Encryption extends AsyncDisposable {
  readonly codec: PayloadCodec
  /**
   * Destroys data keys: what they encrypted cannot be read any more, by nobody and nowhere. Answers how many keys there were.
   * Programs that are running may remember a key for `rememberFor`; backups of the store of data keys have it still. Throws
   * `SHREDDING_IMPOSSIBLE` without a store of data keys.
   */
  shred(target: ShredTarget): Promise<number>
  /**
   * After a rotation, with a store of data keys: wraps the keys of all namespaces with the current key, so that the former one is
   * not needed any more. Answers how many were wrapped anew.
   */
  rewrap(): Promise<number>
  /** Closes the store of data keys. Close engines, workers and clients before. */
  close(): Promise<void>
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedEncryption(given: Encryption | undefined, call: string): Encryption | undefined {
  if (given === undefined || typeof given?.codec?.code === 'function') return given
  throw new PerdureError('ARGUMENT_INVALID', `the encryption of ${call} is not what openEncryption() gives`)
}
