/**
 * What encrypts and decrypts the payloads of a process. It is between the port that a client or worker speaks to and the client
 * or worker, which know nothing of it.
 *
 * Nothing here knows how: that is in `payload-cipher.ts`, which is loaded only where encryption is used.
 */
import type { PayloadPlace } from '../../protocol/encrypted-payload.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Payload } from '../../protocol/payload.ts'

/** Whose failure it is. */
export type FailurePlace = PayloadPlace & { readonly purpose: 'failure' | 'own-task-failure' }

/** Changes values, synchronously. What cannot be read throws `PAYLOAD_UNREADABLE`. */
export interface Coder {
  seal(payload: Payload, place: PayloadPlace): Payload
  open(payload: Payload, place: PayloadPlace): Payload
  sealFailure(failure: Failure, place: FailurePlace): Failure
  openFailure(failure: Failure, place: FailurePlace): Failure
  /** One that cannot be read stays as it is: for people. */
  readFailure(failure: Failure, place: FailurePlace): Failure
}

export interface PayloadCodec {
  /**
   * Calls `use` when all keys that it needs are there: at once if they are, and the result is no promise then. `use` may be
   * called twice, and must do nothing but make its result. Rejects with `KEYS_UNAVAILABLE` if keys cannot be reached now.
   */
  code<T>(namespace: string, use: (coder: Coder) => T): T | Promise<T>
  /** What a program may put into payloads, so that these are within the limits when they are encrypted. */
  roomIn(limits: Limits): Limits
}
