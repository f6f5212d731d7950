/** What wraps data keys: key files, or a key management service. */

/** What a wrapped key is bound to, if the service can bind (a KMS calls it the encryption context). */
export interface KeyContext {
  readonly namespace: string
  /** Of the data key. */
  readonly keyId: string
}

/**
 * Errors: `PerdureError` `PAYLOAD_UNREADABLE` if it never will (it does not have the key, or refuses); anything else counts as
 * passing, and is tried again.
 */
export interface KeyService {
  /** Of the key that wraps new data keys. Another one from some time on is a rotation; it is looked at with each new data key. */
  readonly currentKeyId: string
  /** @param key 32 bytes */
  wrap(key: Uint8Array, context: KeyContext): Promise<Uint8Array>
  /** @param keyId of the key that wrapped it */
  unwrap(wrapped: Uint8Array, keyId: string, context: KeyContext): Promise<Uint8Array>
}

/** The context, for services that bind to bytes. */
export function contextLabel({ namespace, keyId }: KeyContext): string {
  return `perdure data key\0${namespace}\0${keyId}`
}
