/** RSA keys for tests: made once per process and name. */
import { generateKeyPairSync } from 'node:crypto'

export interface RsaKeys {
  readonly publicKey: string
  readonly privateKey: string
}

const made = new Map<string, RsaKeys>()

export function rsaKeys(name = 'first', bits = 3072): RsaKeys {
  const known = made.get(`${name} ${bits}`)
  if (known !== undefined) return known
  const keys = generateKeyPairSync('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  made.set(`${name} ${bits}`, keys)
  return keys
}
