/** Certificates for tests: authorities of their own, and what they have signed. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianProgram } from '../debian-program.ts'

export interface Identity {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

export type Usage = 'serverAuth,clientAuth' | 'clientAuth'

/** The reason why there are none here, or the way to make them. */
export function openssl(): { readonly path: string } | { readonly missing: string } {
  return debianProgram('/usr/bin/openssl', 'openssl')
}

export class Authority {
  readonly ca: string
  readonly #directory: string
  readonly #key: string
  #made = 0

  constructor(directory: string, name: string) {
    mkdirSync(directory, { recursive: true })
    this.#directory = directory
    this.ca = join(directory, `${name}.crt`)
    this.#key = join(directory, `${name}.key`)
    run([
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
      ...['-keyout', this.#key, '-out', this.ca, '-subj', `/CN=${name}`],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'],
    ])
  }

  /**
   * @param hosts such as `IP:127.0.0.1` or `DNS:node-1.internal`
   * @param days until it expires; negative: since
   */
  issue(name: string, usage: Usage, hosts = 'IP:127.0.0.1', days = 30): Identity {
    this.#made += 1
    const at = join(this.#directory, `${name}-${this.#made}`)
    const [cert, key, request, extensions] = [`${at}.crt`, `${at}.key`, `${at}.csr`, `${at}.ext`]
    run([
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', key, '-out', request, '-subj', `/CN=${name}`],
    ])
    writeFileSync(extensions, `subjectAltName=${hosts}\nextendedKeyUsage=${usage}\n`)
    run([
      ...['x509', '-req', '-in', request, '-CA', this.ca, '-CAkey', this.#key, '-CAcreateserial'],
      ...['-days', String(days), '-extfile', extensions, '-out', cert],
    ])
    return { cert, key, ca: this.ca }
  }
}

function run(args: readonly string[]): void {
  execFileSync('/usr/bin/openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}
