/** An engine that runs and listens. */
import { checkedToken } from '../platform/outgoing-socket.ts'
import { TlsIdentity } from '../platform/tls.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import { DEFAULT_LIMITS } from '../protocol/limits.ts'
import { Client } from '../sdk/client.ts'
import { RemotePort } from '../sdk/connect/remote-port.ts'
import type { CommandCall } from './command.ts'
import { tlsOf } from './tls-options.ts'
import { UsageError } from './usage-error.ts'

/** For the connection and the answer together. */
const WITHIN_MS = 10_000
/** Who waits this long is told what for. */
const NOTE_AFTER_MS = 1500

/** @throws PerdureError `CONNECTION_LOST` if no engine answers in time */
export async function withEngine<T>(
  call: CommandCall,
  url: string,
  use: (engine: Client) => Promise<T>,
): Promise<T> {
  const { options, output } = call
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol))
    throw new UsageError(`--url ${url} is not a URL like ws://127.0.0.1:7233`)
  let why = ''
  const tls = tlsOf(call)
  if (tls !== undefined && new URL(url).protocol === 'ws:')
    throw new UsageError(
      `certificates are given, and --url ${url} is without TLS`,
      'Write wss://…, or leave out --tls-cert, --tls-key and --tls-ca (PERDURE_TLS_CERT and so on).',
    )
  const note = (message: string): void => output.note(message)
  const { PERDURE_TOKEN: token } = call.env
  const remote = new RemotePort({
    url,
    token: checkedToken(token === '' ? undefined : token, [url], 'PERDURE_TOKEN'),
    tls: tls === undefined ? undefined : new TlsIdentity(tls, '--tls-cert, --tls-key, --tls-ca', note),
    warn: (_, fields) => {
      if (typeof fields?.reason === 'string') why = `: ${fields.reason}`
    },
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new PerdureError('CONNECTION_LOST', `no engine has answered at ${url}${why}`)),
      WITHIN_MS,
    )
  })
  const patience = setTimeout(
    () => output.note(`No engine has answered at ${url} yet${why}. Waiting up to ${WITHIN_MS / 1000} s.`),
    NOTE_AFTER_MS,
  )
  const namespace = options.text('namespace') ?? DEFAULT_NAMESPACE
  const engine = new Client(remote.port, {
    limits: DEFAULT_LIMITS,
    namespace,
    warn: () => {},
    knows: () => true,
  })
  const answer = remote.connected().then(() => use(engine))
  // Whoever is late is told so: what comes after that is nobody's.
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
    clearTimeout(patience)
    remote.close()
  }
}
