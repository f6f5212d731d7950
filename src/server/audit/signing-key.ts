/** Files with keys of the audit trail: one that signs, and public ones that are trusted. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import {
  type AuditSigner,
  signerOf,
  type TrustedKeys,
  trustedKeys,
} from '../../platform/audit/signed-head.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'

const PUBLIC_KEY = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g

/** Made if there is none. @throws PerdureError `ARGUMENT_INVALID` */
export function signingKey(file: string, logger: Logger): AuditSigner {
  if (!isThere(file)) makeKey(file, logger)
  const key = privateKeyOf(file)
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0)
    logger.warn('others may read the key that signs the audit trail: chmod 600', {
      file,
      mode: mode.toString(8),
    })
  return signerOf(key)
}

/** All public keys of a PEM file, or that of a private key. @throws PerdureError `ARGUMENT_INVALID` */
export function publicKeys(file: string): TrustedKeys {
  const pem = textOf(file)
  const found = pem.match(PUBLIC_KEY) ?? []
  try {
    const keys = found.length === 0 ? [createPublicKey(pem)] : found.map((each) => createPublicKey(each))
    for (const key of keys) assertEd25519(key, file)
    return trustedKeys(keys)
  } catch (error) {
    if (error instanceof PerdureError) throw error
    throw new PerdureError('ARGUMENT_INVALID', `${file} has no public key in PEM`, { cause: error })
  }
}

function isThere(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined
}

/** Of several processes that do so at once, one makes it. */
function makeKey(file: string, logger: Logger): void {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const draft = `${file}.${randomUUID()}`
  try {
    writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
    try {
      linkSync(draft, file)
      writeFileSync(`${file}.pub`, publicKey.export({ type: 'spki', format: 'pem' }))
      logger.info('made a key that signs the audit trail', { file })
    } finally {
      rmSync(draft, { force: true })
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    const what = `the key ${file} of the audit trail cannot be written`
    throw new PerdureError('ARGUMENT_INVALID', what, { cause: error })
  }
}

function privateKeyOf(file: string): KeyObject {
  try {
    const key = createPrivateKey(textOf(file))
    assertEd25519(key, file)
    return key
  } catch (error) {
    if (error instanceof PerdureError) throw error
    throw new PerdureError('ARGUMENT_INVALID', `${file} is no private key in PEM`, { cause: error })
  }
}

function assertEd25519({ asymmetricKeyType }: KeyObject, file: string): void {
  if (asymmetricKeyType !== 'ed25519')
    throw new PerdureError('ARGUMENT_INVALID', `${file} is a key of ${asymmetricKeyType}, and not Ed25519`)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PerdureError('ARGUMENT_INVALID', `${file} cannot be read`, { cause: error })
  }
}
