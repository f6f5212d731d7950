/** An engine that runs and listens. */
import { checkedToken } from '../platform/outgoing-socket.ts'
import { TlsIdentity } from '../platform/tls.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../protocol/limits.ts'
import { Client } from '../sdk/client.ts'
import { RemotePort } from '../sdk/connect/remote-port.ts'
import type { CommandCall } from './command.ts'
import type { EngineChoice } from './engine-choice.ts'
import { assertTlsFits, checkedEngineUrl } from './engine-url.ts'

/** For the connection and the answer together. */
const WITHIN_MS = 10_000
/** Who waits this long is told what for. */
const NOTE_AFTER_MS = 1500

/**
 * With `waits` the answer may take any time, and only the connection is waited for.
 *
 * @throws PerdureError `CONNECTION_LOST` if no engine answers in time
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
  assertTlsFits(url, tls)
  const note = (message: string): void => output.note(message)
  const remote = new RemotePort({
    url,
    token: checkedToken(token, [url], tokenFrom),
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
