/** An engine that runs and listens. */
import { checkedToken } from '../platform/shown-token.ts'
import { TlsIdentity } from '../platform/tls.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../protocol/limits.ts'
import { Client } from '../sdk/client.ts'
import { RemotePort } from '../sdk/connect/remote-port.ts'
import type { CommandCall } from './command.ts'
import type { EngineChoice } from './engine-choice.ts'
import { assertTlsFits, checkedEngineUrl } from './engine-url.ts'
import { notKnown } from './not-known.ts'
import { UsageError } from './usage-error.ts'

/** For the connection and the answer together. */
const WITHIN_MS = 10_000
/** Who waits this long is told what for. */
const NOTE_AFTER_MS = 1500
/** Of OpenSSL and Node: a certificate was shown, and does not do. */
const CERTIFICATE_TROUBLE = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/**
 * With `waits` the answer may take any time, and only the connection is waited for.
 *
 * @throws PerdureError `CONNECTION_LOST` if no engine answers in time, `UNAUTHENTICATED`
 * @throws UsageError if the certificate of the engine is not to be trusted
 */
export async function withEngine<T>(
  call: CommandCall,
  choice: EngineChoice,
  use: (engine: Client) => Promise<T>,
  { waits = false }: { readonly waits?: boolean } = {},
): Promise<T> {
  const { output } = call
  const { token, tokenFrom, tls, namespace } = choice
  const url = checkedEngineUrl(choice.url)
  let why = ''
  let refused = (_: Error): void => {}
  assertTlsFits(url, tls)
  const note = (message: string): void => output.note(message)
  const remote = new RemotePort({
    url,
    token: checkedToken(token, [url], tokenFrom),
    tls: tls === undefined ? undefined : new TlsIdentity(tls, '--tls-cert, --tls-key, --tls-ca', note),
    warn: (_, fields) => {
      if (typeof fields?.reason !== 'string') return
      why = `: ${fields.reason}`
      // The next try would end the same way.
      if (fields.isUnauthenticated === true) refused(notKnown(token !== undefined))
      if (typeof fields.code === 'string' && CERTIFICATE_TROUBLE.has(fields.code))
        refused(
          new UsageError(
            `the certificate of ${url} is not one to trust: ${fields.reason}`,
            '--tls-ca FILE names the authority that has signed it; the host of the URL must be one that it names.',
          ),
        )
    },
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    refused = reject
    timer = setTimeout(
      () => reject(new PerdureError('CONNECTION_LOST', `no engine has answered at ${url}${why}`)),
      WITHIN_MS,
    )
  })
  const patience = setTimeout(
    () => output.note(`No engine has answered at ${url} yet${why}. Waiting up to ${WITHIN_MS / 1000} s.`),
    NOTE_AFTER_MS,
  )
  const settle = (): void => {
    clearTimeout(timer)
    clearTimeout(patience)
  }
  const engine = new Client(remote.port, {
    limits: DEFAULT_LIMITS,
    namespace,
    warn: () => {},
    knows: () => true,
  })
  const answer = remote.connected().then(() => {
    if (waits) settle()
    return use(engine)
  })
  // Whoever is late is told so: what comes after that is nobody's.
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    settle()
    remote.close()
  }
}
