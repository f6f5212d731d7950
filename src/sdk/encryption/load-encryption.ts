/** Loads what encrypts, for programs that use it. */
import type { Encryption, EncryptionSettings } from './encryption.ts'

/**
 * Gets encryption ready.
 *
 * ```ts
 * await using encryption = await openEncryption({ keys: { privateKeys: ['keys/2026.pem'] }, dataKeys: 'sqlite:keys.db' })
 * const engine = await createEngine({ store: 'sqlite:orders.db', workflows, encryption })
 * ```
 *
 * Errors: `ARGUMENT_INVALID` (a key that cannot be read, for one), `STORE_INVALID`.
 */
export async function openEncryption(settings: EncryptionSettings): Promise<Encryption> {
  const { openedEncryption } = await import('./open-encryption.ts')
  return openedEncryption(settings)
}
