/** Certificates of a command, for `wss:` URLs and for `perdure start`. */
import type { TlsSettings } from '../platform/tls.ts'
import type { CommandCall, OptionSpec } from './command.ts'
import { UsageError } from './usage-error.ts'

export const TLS_OPTIONS = {
  'tls-cert': { value: 'FILE', says: 'certificate to show, PEM; default $PERDURE_TLS_CERT' },
  'tls-key': { value: 'FILE', says: 'its private key, PEM; default $PERDURE_TLS_KEY' },
  'tls-ca': { value: 'FILE', says: 'authority that others need a certificate of; default $PERDURE_TLS_CA' },
} as const satisfies Record<string, OptionSpec>

/**
 * A flag over the environment over `config`.
 *
 * @returns undefined: none was given
 */
export function tlsOf({ options, env }: CommandCall, config: TlsSettings = {}): TlsSettings | undefined {
  checkNames(config)
  const given = (flag: keyof typeof TLS_OPTIONS, variable: string): string | undefined =>
    options.text(flag) ?? (env[variable] === '' ? undefined : env[variable])
  const cert = given('tls-cert', 'PERDURE_TLS_CERT') ?? config.cert
  const key = given('tls-key', 'PERDURE_TLS_KEY') ?? config.key
  const ca = given('tls-ca', 'PERDURE_TLS_CA') ?? config.ca
  if (cert === undefined && key === undefined && ca === undefined) return undefined
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('a certificate and its key belong together', 'Give --tls-cert and --tls-key.')
  return {
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(ca === undefined ? {} : { ca }),
  }
}

/** What is misspelled would leave the engine without TLS. */
function checkNames(config: unknown): void {
  const names = typeof config === 'object' && config !== null ? Object.keys(config) : undefined
  if (names?.every((name) => ['cert', 'key', 'ca'].includes(name)) === true) return
  throw new UsageError(
    `tls of the configuration is ${JSON.stringify(config)}`,
    "Such as: tls: { cert: 'node-1.crt', key: 'node-1.key', ca: 'authority.crt' }",
  )
}
