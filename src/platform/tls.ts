/**
 * Certificates of a process, for both ends of its connections.
 *
 * Files are read again when they have changed, so that a certificate can be renewed while the process runs. New ones that do
 * not fit together (one of two files has been replaced so far) are not taken: the old ones stay.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { PerdureError } from '../protocol/errors.ts'

/** Each is the path of a PEM file, or PEM itself. */
export interface TlsSettings {
  /** Certificate of this process; intermediate authorities follow it. */
  readonly cert?: string
  /** Its private key, not encrypted. */
  readonly key?: string
  /** Authorities that the certificates of others must come from. Default for a client or worker: those that Node knows. */
  readonly ca?: string
}

/** What Node's TLS takes, for either end. */
export interface TlsMaterial {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
  readonly minVersion: 'TLSv1.2'
}

const PARTS = ['cert', 'key', 'ca'] as const
const PEM = /-----BEGIN /

type Warn = (message: string, fields?: { readonly [name: string]: unknown }) => void

export class TlsIdentity {
  readonly #settings: TlsSettings
  readonly #what: string
  readonly #warn: Warn
  #material: TlsMaterial
  #seen: string
  /** What was warned of. */
  #refused = ''

  /**
   * @param what whose settings they are, for errors, such as `connect({ tls })`
   * @throws PerdureError `ARGUMENT_INVALID`: a file cannot be read, is no PEM, or key and certificate do not belong together
   */
  constructor(settings: TlsSettings, what: string, warn: Warn) {
    this.#settings = checked(settings, what)
    this.#what = what
    this.#warn = warn
    this.#seen = this.#stamps()
    this.#material = this.#read()
  }

  /** As the files are now; if those cannot be used, as they were, with one warning. */
  get current(): TlsMaterial {
    try {
      const stamps = this.#stamps()
      if (stamps === this.#seen) return this.#material
      this.#material = this.#read()
      this.#seen = stamps
      this.#refused = ''
    } catch (error) {
      const why = messageOf(error)
      if (why !== this.#refused)
        this.#warn('changed certificates are not used: those from before stay', { error })
      this.#refused = why
    }
    return this.#material
  }

  #stamps(): string {
    return PARTS.map((part) => this.#stampOf(this.#settings[part])).join()
  }

  #stampOf(given: string | undefined): string {
    if (given === undefined || PEM.test(given)) return ''
    const { mtimeMs, size, ino } = this.#file(given, () => statSync(given))
    return `${mtimeMs}:${size}:${ino}`
  }

  #read(): TlsMaterial {
    const read: { cert?: string; key?: string; ca?: string } = {}
    for (const part of PARTS) {
      const given = this.#settings[part]
      if (given === undefined) continue
      const text = PEM.test(given) ? given : this.#file(given, () => readFileSync(given, 'utf8'))
      if (!PEM.test(text)) throw this.#invalid(`${part} (${given}) is no PEM`)
      read[part] = text
    }
    const material: TlsMaterial = { ...read, minVersion: 'TLSv1.2' }
    try {
      createSecureContext(material)
    } catch (error) {
      throw this.#invalid(`cert, key and ca do not make an identity: ${messageOf(error)}`)
    }
    if (read.cert !== undefined) this.#checkTime(new X509Certificate(read.cert))
    return material
  }

  #checkTime({ validFrom, validTo }: X509Certificate): void {
    if (Date.parse(validTo) < Date.now()) throw this.#invalid(`the certificate has expired, on ${validTo}`)
    if (Date.parse(validFrom) > Date.now())
      throw this.#invalid(`the certificate is not valid before ${validFrom}`)
  }

  #file<T>(path: string, use: () => T): T {
    try {
      return use()
    } catch (error) {
      throw this.#invalid(`${path} cannot be read: ${messageOf(error)}`)
    }
  }

  #invalid(why: string): PerdureError {
    return new PerdureError('ARGUMENT_INVALID', `${this.#what}: ${why}`)
  }
}

function checked(settings: TlsSettings, what: string): TlsSettings {
  const invalid = (why: string): PerdureError => new PerdureError('ARGUMENT_INVALID', `${what}: ${why}`)
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw invalid('is not an object like { cert, key, ca }')
  for (const [name, value] of Object.entries(settings)) {
    if (!PARTS.some((part) => part === name))
      throw invalid(`there is no setting '${name}'; there are ${PARTS.join(', ')}`)
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw invalid(`${name} is not the path of a PEM file, or PEM`)
  }
  if ((settings.cert === undefined) !== (settings.key === undefined))
    throw invalid('cert and key belong together: one of them is missing')
  return settings
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
